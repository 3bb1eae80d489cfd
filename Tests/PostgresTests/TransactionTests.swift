import Foundation
import HeraldTesting
import Postgres
import Testing

@Suite("Transactions", .emptyDatabase)
struct TransactionTests {
  private struct Stop: Error {}

  private func makeTable() async throws {
    try await database.pool.write { try $0.execute(script: "CREATE TABLE t (a int8 PRIMARY KEY)") }
  }

  private func rows() async throws -> [Int] {
    try await database.pool.read { session in
      try session.query("SELECT a FROM t ORDER BY a").map { try $0.get("a", as: Int.self) }
    }
  }

  @Test("an error of the body rolls back and comes through unchanged")
  func rollback() async throws {
    try await makeTable()
    await #expect(throws: Stop.self) {
      try await database.pool.write { transaction in
        try transaction.execute("INSERT INTO t VALUES (1)")
        throw Stop()
      }
    }
    #expect(try await rows() == [])
  }

  @Test("a swallowed failure does not pass for a commit")
  func swallowed() async throws {
    try await makeTable()
    let error = await failure {
      try await database.pool.write { transaction in
        try transaction.execute("INSERT INTO t VALUES (1)")
        _ = try? transaction.execute("SELECT 1/0")
      }
    }
    #expect(error?.sqlState == "22012")
    #expect(try await rows() == [])
  }

  @Test("a body that ends its transaction itself is an error")
  func endedByBody() async throws {
    let error = await failure {
      try await database.pool.write { try $0.execute(script: "COMMIT") }
    }
    #expect(error?.sqlState == "25P01")
  }

  @Test("a savepoint undoes its part, its onCommit actions too")
  func savepoints() async throws {
    try await makeTable()
    let ran = Journal<String>()
    try await database.pool.write { transaction in
      transaction.onCommit { ran.append("outer") }
      try transaction.execute("INSERT INTO t VALUES (1)")
      for number in [2, 1, 3] {
        _ = try? transaction.savepoint {
          transaction.onCommit { ran.append("\(number)") }
          try transaction.execute("INSERT INTO t VALUES (\(number))")
          try transaction.savepoint {
            if number == 3 { throw Stop() }
          }
        }
      }
    }
    #expect(try await rows() == [1, 2])
    #expect(ran.entries == ["outer", "2"])
  }

  @Test("onCommit runs before write returns, and not after a rollback")
  func onCommit() async throws {
    let ran = Counter()
    try await database.pool.write { $0.onCommit { ran.increment() } }
    #expect(ran.value == 1)
    _ = try? await database.pool.write { transaction in
      transaction.onCommit { ran.increment() }
      throw Stop()
    }
    #expect(ran.value == 1)
  }

  @Test("of two transactions in deadlock both get through, one of them by running again")
  func deadlock() async throws {
    try await database.pool.write { transaction in
      try transaction.execute(script: "CREATE TABLE t (a int8 PRIMARY KEY, n int8 NOT NULL)")
      try transaction.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    }
    let runs = Counter()
    let gates = [Gate(), Gate()]
    let pool = database.pool
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, (first, second)) in [(1, 2), (2, 1)].enumerated() {
        group.addTask {
          try await pool.write { transaction in
            runs.increment()
            try transaction.execute("UPDATE t SET n = n + 1 WHERE a = \(first)")
            gates[1 - index].open()
            gates[index].pass()
            do {
              try transaction.execute("UPDATE t SET n = n + 1 WHERE a = \(second)")
            } catch {
              // The run after this one meets nobody at the gates. A wrapped refusal counts as well.
              gates[index].open()
              throw Stop()
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(runs.value >= 3)
    let counts = try await pool.read {
      try $0.query("SELECT n FROM t").map { try $0.get("n", as: Int.self) }
    }
    #expect(counts == [2, 2])
  }

  @Test("a serialization failure is retried even when the body lost sight of it")
  func hiddenRefusal() async throws {
    let runs = Counter()
    try await database.pool.write { transaction in
      runs.increment()
      guard runs.value == 1 else { return }
      _ = try? transaction.execute(script: Self.raise)
      try transaction.query("SELECT 1")
    }
    #expect(runs.value == 2)
    try await database.pool.write { transaction in
      runs.increment()
      guard runs.value == 3 else { return }
      do {
        try transaction.savepoint { try transaction.execute(script: Self.raise) }
      } catch { throw Stop() }
    }
    #expect(runs.value == 4)
  }

  private static let raise =
    "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"

  @Test("a refusal that never ends is given up after five more runs")
  func retriesEnd() async throws {
    let runs = Counter()
    let error = await failure {
      try await database.pool.write { transaction in
        runs.increment()
        try transaction.execute(script: Self.raise)
      }
    }
    #expect(error?.sqlState == "40001")
    #expect(runs.value == 6)
  }

  @Test("a snapshot sees one state and cannot write")
  func snapshot() async throws {
    try await makeTable()
    let pool = database.pool
    let looked = Gate()
    let wrote = Gate()
    async let counts = pool.snapshot { transaction in
      let before = try transaction.query("SELECT a FROM t").count
      looked.open()
      wrote.pass()
      return [before, try transaction.query("SELECT a FROM t").count]
    }
    try await pool.write { transaction in
      looked.pass()
      try transaction.execute("INSERT INTO t VALUES (1)")
    }
    wrote.open()
    #expect(try await counts == [0, 0])
    let error = await failure {
      try await pool.snapshot { try $0.execute("INSERT INTO t VALUES (2)") }
    }
    #expect(error?.sqlState == "25006")
  }

  @Test("a transaction used after its end throws")
  func usedLater() async throws {
    final class Leak: @unchecked Sendable {  // Filled by one body, read after it has returned.
      var transaction: Transaction?
    }
    let leak = Leak()
    try await database.pool.write { leak.transaction = $0 }
    #expect(throws: PostgresError.self) { try leak.transaction?.query("SELECT 1") }
  }

  @Test("a transaction left open by a read is rolled back")
  func leftOpen() async throws {
    let pool = database.makePool(size: 1)
    try await pool.read { session in
      try session.query("BEGIN")
      try session.query("CREATE TABLE left_open (a int8)")
    }
    let isGone = try await pool.read { session in
      try session.one("SELECT to_regclass('left_open') IS NULL")?.get(0, as: Bool.self)
    }
    #expect(isGone == true)
    #expect(pool.statistics.reconnects == 0)
    await pool.close()
  }
}
