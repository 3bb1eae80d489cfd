import Foundation
import HeraldTesting
import Postgres
import Testing

@Suite("Prepared statements", .emptyDatabase)
struct StatementTests {
  private static let prepared: SQL = "SELECT count(*) FROM pg_prepared_statements"

  @Test("a text is prepared once for each set of parameter types, unprepared ones never")
  func reuse() async throws {
    let count = try await database.pool.read { session in
      for number in 0..<10 {
        try session.query("SELECT \(number) AS a")
        try session.query("SELECT \("\(number)") AS a")
        try session.query(("SELECT \(number) AS b" as SQL).unprepared())
        try session.query("SELECT \(1) AS x WHERE \(("true" as SQL).unprepared())")
      }
      return try session.one(Self.prepared.unprepared())?.get(0, as: Int.self)
    }
    #expect(count == 2)
  }

  @Test("the cache stays within its bound, the most used statement in it")
  func eviction() async throws {
    let (count, kept) = try await database.pool.read { session in
      for number in 0..<400 {
        try session.query("SELECT 'often'")
        try session.query(SQL(stringLiteral: "SELECT 'once \(number)'"))
      }
      let kept: SQL = """
        SELECT count(*) FROM pg_prepared_statements
        WHERE statement = 'SELECT ''often''' AND name = 's1'
        """
      return (
        try session.one(Self.prepared.unprepared())?.get(0, as: Int.self),
        try session.one(kept.unprepared())?.get(0, as: Int.self)
      )
    }
    #expect(count == 256)
    #expect(kept == 1)
  }

  @Test("a plan that a schema change made stale is replaced, in and out of transactions")
  func stalePlan() async throws {
    let pool = database.makePool(size: 1)
    try await pool.write {
      try $0.execute(script: "CREATE TABLE t (a int8); INSERT INTO t VALUES (1)")
    }
    _ = try await pool.read { try $0.query("SELECT * FROM t") }
    try await pool.write { try $0.execute(script: "ALTER TABLE t ADD b text") }
    #expect(try await pool.read { try $0.query("SELECT * FROM t").columns } == ["a", "b"])
    _ = try await pool.read { try $0.query("SELECT * FROM t") }
    try await pool.write { try $0.execute(script: "ALTER TABLE t ADD c text") }
    #expect(try await pool.write { try $0.query("SELECT * FROM t").columns } == ["a", "b", "c"])
    await pool.close()
  }

  @Test("a transaction with many stale plans runs again once, and the old plans are let go")
  func manyStalePlans() async throws {
    let pool = database.makePool(size: 1)
    let queries: [SQL] = (1...20).map { SQL(stringLiteral: "SELECT *, \($0) FROM t") }
    try await pool.write { transaction in
      try transaction.execute(script: "CREATE TABLE t (a int8)")
      for query in queries { try transaction.query(query) }
    }
    try await pool.write { try $0.execute(script: "ALTER TABLE t ADD b text") }
    let runs = Counter()
    let held = try await pool.write { transaction in
      runs.increment()
      for query in queries { #expect(try transaction.query(query).columns.count == 3) }
      return try transaction.one(Self.prepared.unprepared())?.get(0, as: Int.self)
    }
    #expect(runs.value == 2)
    #expect(held == 20)
    await pool.close()
  }

  @Test("statements that somebody discarded are prepared again")
  func discarded() async throws {
    let pool = database.makePool(size: 1)
    for _ in 0..<2 {
      #expect(try await pool.read { try $0.query("SELECT 'x'").count } == 1)
      #expect(try await pool.write { try $0.query("SELECT 'y'").count } == 1)
      _ = try await pool.read { try $0.query(("DEALLOCATE ALL" as SQL).unprepared()) }
    }
    await pool.close()
  }

  @Test("one plan serves any values, until it is too old")
  func reusedPlans() async throws {
    let pool = database.makePool(size: 1)
    try await pool.write {
      try $0.execute(
        script: """
          CREATE TABLE t (a int8 PRIMARY KEY) WITH (autovacuum_enabled = false);
          INSERT INTO t VALUES (1); ANALYZE t
          """)
    }
    func scansTable(keeping age: Duration) async throws -> Bool {
      try await pool.write { tx in
        try tx.reusePlans(for: age)
        try tx.query("SELECT a FROM t WHERE a = \(7)")
        let name: SQL = "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%a = $1'"
        let statement = try #require(try tx.one(name.unprepared())).get(0, as: String.self)
        let explained = SQL(stringLiteral: "EXPLAIN EXECUTE \(statement)(7)").unprepared()
        let lines = try tx.query(explained).map { try $0.get(0, as: String.self) }
        return lines.contains { $0.contains("Seq Scan") }
      }
    }
    #expect(try await scansTable(keeping: .seconds(60)))
    _ = try await pool.write { try $0.query("INSERT INTO t SELECT generate_series(2, 100000)") }
    #expect(try await scansTable(keeping: .seconds(60)))
    #expect(try await !scansTable(keeping: .zero))
    await pool.close()
  }
}
