import Foundation
import HeraldTesting
import Postgres
import Testing

@Suite("Cursors and COPY", .emptyDatabase)
struct BulkTests {
  private struct Stop: Error {}

  @Test("batches come in order, the last one short, with parameters bound")
  func batches() async throws {
    let sizes = try await database.pool.snapshot { transaction in
      var sizes: [Int] = []
      var next = 1
      try transaction.forEachBatch("SELECT generate_series(1, \(25)) AS n", size: 10) { rows in
        sizes.append(rows.count)
        for row in rows {
          #expect(try row.get("n", as: Int.self) == next)
          next += 1
        }
        // Other statements may run between batches.
        try transaction.query("SELECT 1")
      }
      return sizes
    }
    #expect(sizes == [10, 10, 5])
  }

  @Test("an error of a batch's body leaves the transaction usable")
  func batchError() async throws {
    let open = try await database.pool.write { transaction in
      #expect(throws: Stop.self) {
        try transaction.forEachBatch("SELECT generate_series(1, 100)", size: 10) { _ in throw Stop()
        }
      }
      return try transaction.one("SELECT count(*) FROM pg_cursors WHERE name LIKE 'batch%'")?
        .get(0, as: Int.self)
    }
    #expect(open == 0)
  }

  @Test("text rows go in by COPY with all that needs escaping, and come out again")
  func copyText() async throws {
    let nasty = ["a\tb", "c\nd", "e\\f", "\r", "\\N", "", "é𝄞"]
    let (back, lines) = try await database.pool.write { transaction in
      try transaction.execute("CREATE TABLE t (n int8, v text)")
      try transaction.copyIn("COPY t FROM STDIN") { writer in
        for (number, text) in nasty.enumerated() { try writer.row(["\(number)", text]) }
        try writer.row(["99", nil])
      }
      let back = try transaction.query("SELECT v FROM t ORDER BY n").map {
        try $0.get("v", as: String?.self)
      }
      var lines: [String] = []
      try transaction.copyOut("COPY (SELECT n FROM t ORDER BY n) TO STDOUT") { line in
        lines.append(String(decoding: line, as: UTF8.self))
      }
      return (back, lines)
    }
    #expect(back == nasty + [nil])
    #expect(lines == (0..<7).map { "\($0)\n" } + ["99\n"])
  }

  @Test("a hundred thousand binary tuples go in, and none is none")
  func copyBinary() async throws {
    let counts = try await database.pool.write { transaction in
      try transaction.execute("CREATE TABLE t (id uuid, n int8, v text)")
      try transaction.copyIn("COPY t FROM STDIN WITH (FORMAT binary)") { _ in }
      try transaction.copyIn("COPY t FROM STDIN WITH (FORMAT binary)") { writer in
        for number in 0..<100_000 {
          let text = number % 2 == 0 ? "value \(number)" : nil
          try writer.tuple([UUID().sqlParameter, number.sqlParameter, text.sqlParameter])
        }
      }
      let row = try transaction.one("SELECT count(*), count(v), sum(n)::int8 FROM t")
      return try (0..<3).map { try row?.get($0, as: Int.self) }
    }
    #expect(counts == [100_000, 50_000, 4_999_950_000])
  }

  @Test("a producer that throws leaves nothing behind")
  func copyInFails() async throws {
    try await database.pool.write { try $0.execute(script: "CREATE TABLE t (n int8)") }
    await #expect(throws: Stop.self) {
      try await database.pool.write { transaction in
        try transaction.copyIn("COPY t FROM STDIN") { writer in
          for _ in 0..<50_000 { try writer.row(["1"]) }
          throw Stop()
        }
      }
    }
    let count = try await database.pool.read { try $0.query("SELECT n FROM t").count }
    #expect(count == 0)
    #expect(database.pool.statistics.reconnects == 0)
  }

  @Test("PostgreSQL's refusal of the rows is the error")
  func copyRefused() async throws {
    let error = await failure {
      try await database.pool.write { transaction in
        try transaction.execute("CREATE TABLE t (n int8)")
        try transaction.copyIn("COPY t FROM STDIN") { writer in
          for _ in 0..<50_000 { try writer.row(["one"]) }
        }
      }
    }
    #expect(error?.sqlState == "22P02")
  }

  @Test("statements during a COPY, and statements that are no COPY, are errors")
  func copyMisused() async throws {
    let during = await failure {
      try await database.pool.write { transaction in
        try transaction.execute("CREATE TABLE t (n int8)")
        try transaction.copyIn("COPY t FROM STDIN") { _ in try transaction.query("SELECT 1") }
      }
    }
    #expect(during?.kind == .encoding)
    let none = await failure {
      try await database.pool.write { try $0.copyIn("SELECT 1") { _ in } }
    }
    #expect(none?.kind == .encoding)
    let unknown = await failure {
      try await database.pool.write { try $0.copyOut("COPY nowhere TO STDOUT") { _ in } }
    }
    #expect(unknown?.sqlState == "42P01")
  }

  @Test("a reader of COPY that throws ends the transaction, and the pool recovers")
  func copyOutFails() async throws {
    await #expect(throws: Stop.self) {
      try await database.pool.snapshot { transaction in
        try transaction.copyOut("COPY (SELECT generate_series(1, 1000000)) TO STDOUT") { _ in
          throw Stop()
        }
      }
    }
    #expect(try await database.pool.read { try $0.query("SELECT 1").count } == 1)
  }
}
