import Foundation
import HeraldTesting
import Postgres
import Testing

@Suite("Outages", .emptyDatabase)
struct OutageTests {
  private func makePool(
    url: String, size: Int = 1, connectTimeout: Duration = .seconds(20),
    statementTimeout: Duration = .seconds(15)
  ) -> Pool {
    Pool(
      PoolConfiguration(
        url: url, size: size, connectTimeout: connectTimeout,
        statementTimeout: statementTimeout, acquireTimeout: .seconds(20)),
      logger: silent)
  }

  @Test("a pool made while the server is down works once it is up")
  func startsDown() async throws {
    let proxy = try DatabaseProxy(upstream: database.url)
    proxy.mode = .hold
    let pool = makePool(url: proxy.url, connectTimeout: .seconds(1))
    let error = await failure { try await pool.read { try $0.query("SELECT 1") } }
    #expect(error?.kind == .connectionLost)
    #expect(error?.isUnavailable == true)
    proxy.mode = .pass
    let works = try await eventually {
      await failure { try await pool.read { try $0.query("SELECT 1") } } == nil
    }
    #expect(works)
    await pool.close()
    proxy.stop()
  }

  @Test("nobody listening is connectionLost")
  func refused() async throws {
    let pool = makePool(url: "host=127.0.0.1 port=1 dbname=x user=x")
    #expect(await failure { try await pool.write { _ in } }?.kind == .connectionLost)
    await pool.close()
  }

  @Test("a connection string nobody can read is an error and names no password")
  func unreadable() async throws {
    let pool = makePool(url: "host=x password=hidden nonsense")
    let error = await failure { try await pool.read { _ in } }
    #expect(error != nil)
    #expect(error?.message.contains("hidden") == false)
    await pool.close()
  }

  @Test("a server that falls silent costs the deadline and no more", arguments: [true, false])
  func silence(_ inTransaction: Bool) async throws {
    let proxy = try DatabaseProxy(upstream: database.url)
    let pool = makePool(url: proxy.url, size: 2, statementTimeout: .seconds(1))
    let error = await failure {
      if inTransaction {
        try await pool.write { transaction in
          try transaction.query("SELECT 1")
          proxy.mode = .hold
          try transaction.query("SELECT 2")
        }
      } else {
        try await pool.read { session in
          try session.query("SELECT 1")
          proxy.mode = .hold
          try session.query("SELECT 2")
        }
      }
    }
    #expect(error?.kind == .timeout)
    #expect(error?.sqlState == nil)
    #expect(pool.statistics.open == 0)
    proxy.mode = .pass
    #expect(try await pool.read { try $0.query("SELECT 1").count } == 1)
    #expect(pool.statistics.open == 1)
    await pool.close()
    proxy.stop()
  }

  @Test("a large statement into a silent peer ends at the deadline too")
  func silenceWhileSending() async throws {
    let proxy = try DatabaseProxy(upstream: database.url)
    let pool = makePool(url: proxy.url, statementTimeout: .seconds(1))
    let bulk = Bytea([UInt8](repeating: 7, count: 32 << 20))
    let error = await failure {
      try await pool.read { session in
        try session.query("SELECT 1")
        proxy.mode = .hold
        try session.query("SELECT length(\(bulk))")
      }
    }
    #expect(error?.kind == .timeout)
    await pool.close()
    proxy.stop()
  }

  @Test("a call's own timeout bounds its statements together")
  func callTimeout() async throws {
    let error = await failure {
      try await database.pool.write(timeout: .milliseconds(200)) { transaction in
        for _ in 0..<1000 { try transaction.query("SELECT pg_sleep(0.02)") }
      }
    }
    #expect(error?.kind == .timeout)
  }

  @Test("a connection cut between COMMIT and its answer is outcomeUnknown; the key tells which")
  func outcomeUnknown() async throws {
    try await database.pool.write {
      try $0.execute(script: "CREATE TABLE t (key int8 PRIMARY KEY)")
    }
    let proxy = try DatabaseProxy(upstream: database.url)
    let pool = makePool(url: proxy.url)
    let done = Counter()
    for key in 1...20 {
      let arrives = key % 2 == 0
      proxy.mode = arrives ? .cutAfterCommit : .cutBeforeCommit
      let error = await failure {
        try await pool.write { transaction in
          transaction.onCommit { done.increment() }
          try transaction.execute("INSERT INTO t VALUES (\(key))")
        }
      }
      #expect(error?.kind == .outcomeUnknown)
      // The backend that never saw its COMMIT rolls back when it notices the end of the stream.
      let settled = try await eventually {
        try await database.pool.write { transaction in
          try transaction.execute("LOCK TABLE t IN SHARE MODE")
          return try transaction.one("SELECT FROM t WHERE key = \(key)") != nil
        } == arrives
      }
      #expect(settled, "key \(key)")
    }
    #expect(proxy.cuts == 20)
    #expect(done.value == 0)
    await pool.close()
    proxy.stop()
  }

  @Test("a COMMIT that is never answered is outcomeUnknown after its deadline")
  func commitUnanswered() async throws {
    let proxy = try DatabaseProxy(upstream: database.url)
    let pool = makePool(url: proxy.url, statementTimeout: .seconds(1))
    let error = await failure {
      try await pool.write { transaction in
        try transaction.query("SELECT 1")
        proxy.mode = .hold
      }
    }
    #expect(error?.kind == .outcomeUnknown)
    await pool.close()
    proxy.stop()
  }

  @Test("a COMMIT that PostgreSQL refuses is the refusal, with nothing committed")
  func commitRefused() async throws {
    try await database.pool.write { transaction in
      try transaction.execute(
        script: """
          CREATE TABLE p (a int8 PRIMARY KEY);
          CREATE TABLE c (a int8 CONSTRAINT c_a REFERENCES p DEFERRABLE INITIALLY DEFERRED);
          """)
    }
    let error = await failure {
      try await database.pool.write { try $0.execute("INSERT INTO c VALUES (1)") }
    }
    #expect(error?.kind == .server)
    #expect(error?.isForeignKeyViolation(of: "c_a") == true)
    #expect(database.pool.statistics.reconnects == 0)
  }
}
