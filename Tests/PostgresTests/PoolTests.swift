import Foundation
import HeraldTesting
import Postgres
import Testing

@Suite("The pool", .emptyDatabase)
struct PoolTests {
  private func makePool(
    size: Int = 1, acquireTimeout: Duration = .seconds(20), onConnect: [SQL] = []
  ) -> Pool {
    Pool(
      PoolConfiguration(
        url: database.url, size: size, acquireTimeout: acquireTimeout, onConnect: onConnect),
      logger: silent)
  }

  /// Keeps a connection of the pool busy until the gate opens, and returns when it does.
  private func occupy(
    _ pool: Pool, until gate: Gate, in group: inout ThrowingTaskGroup<Void, any Error>
  )
    async throws
  {
    let started = Counter()
    group.addTask {
      try await pool.read { _ in
        started.increment()
        gate.pass()
      }
    }
    #expect(try await eventually { started.value == 1 })
  }

  @Test("connections are made when needed and not before")
  func lazy() async throws {
    let pool = makePool(size: 3)
    #expect(pool.statistics.open == 0)
    _ = try await pool.read { try $0.query("SELECT 1") }
    _ = try await pool.read { try $0.query("SELECT 1") }
    #expect(pool.statistics.open == 1)
    #expect(pool.statistics.idle == 1)
    await pool.close()
    #expect(pool.statistics.open == 0)
  }

  @Test("callers are served in the order of their arrival")
  func fifo() async throws {
    let pool = makePool()
    let gate = Gate()
    let served = Journal<Int>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      try await occupy(pool, until: gate, in: &group)
      for number in 0..<30 {
        group.addTask { try await pool.read { _ in served.append(number) } }
        #expect(try await eventually { pool.statistics.waiting == number + 1 })
      }
      gate.open()
      try await group.waitForAll()
    }
    #expect(served.entries == Array(0..<30))
    await pool.close()
  }

  @Test("who waits too long gets poolTimeout, and its turn passes to the next")
  func acquireTimeout() async throws {
    let pool = makePool(acquireTimeout: .milliseconds(50))
    let gate = Gate()
    try await withThrowingTaskGroup(of: Void.self) { group in
      try await occupy(pool, until: gate, in: &group)
      let error = await failure { try await pool.read { try $0.query("SELECT 1") } }
      #expect(error?.kind == .poolTimeout)
      #expect(error?.isUnavailable == true)
      gate.open()
      try await group.waitForAll()
    }
    #expect(pool.statistics.acquireTimeouts == 1)
    #expect(pool.statistics.waiting == 0)
    #expect(try await pool.read { try $0.query("SELECT 1").count } == 1)
    await pool.close()
  }

  @Test("a cancelled caller gives up its place")
  func cancellation() async throws {
    let pool = makePool()
    let gate = Gate()
    let ran = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      try await occupy(pool, until: gate, in: &group)
      let waiting = Task { try await pool.read { _ in ran.increment() } }
      #expect(try await eventually { pool.statistics.waiting == 1 })
      waiting.cancel()
      let error = await failure { try await waiting.value }
      #expect(error?.kind == .cancelled)
      #expect(pool.statistics.waiting == 0)
      gate.open()
      try await group.waitForAll()
    }
    #expect(ran.value == 0)
    await pool.close()
  }

  @Test("a caller cancelled before it asks gets nothing")
  func cancelledBefore() async throws {
    let pool = makePool()
    let gate = Gate()
    let task = Task {
      _ = try? await Task.sleep(for: .seconds(20))
      return try await pool.read { _ in true }
    }
    task.cancel()
    #expect(await failure { try await task.value }?.kind == .cancelled)
    gate.open()
    await pool.close()
  }

  @Test("the pool is back at its size after every backend was terminated")
  func termination() async throws {
    let size = 4
    let pool = makePool(size: size)
    for round in 1...3 {
      try await useAll(pool, size)
      #expect(pool.statistics.open == size)
      let killed = try await database.pool.read { session in
        try session.query(
          """
          SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()
          """
        ).count
      }
      #expect(killed == size)
      try await useAll(pool, size)
      #expect(pool.statistics.open == size)
      #expect(pool.statistics.reconnects == size * round)
      #expect(try await backends() == size + 1)
    }
    await pool.close()
    #expect(try await eventually { try await backends() == 1 })
  }

  /// Has all connections at work at the same time.
  private func useAll(_ pool: Pool, _ size: Int) async throws {
    let arrived = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<size {
        group.addTask {
          try await pool.write { transaction in
            try transaction.query("SELECT 1")
            arrived.increment()
            let deadline = ContinuousClock.now + .seconds(20)
            while arrived.value < size, ContinuousClock.now < deadline { usleep(500) }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func backends() async throws -> Int? {
    try await database.pool.read { session in
      try session.one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")?
        .get(0, as: Int.self)
    }
  }

  @Test("a backend terminated in mid-transaction is connectionLost, then replaced")
  func lostInBody() async throws {
    let pool = makePool()
    let error = await failure {
      try await pool.write { transaction in
        try transaction.query("SELECT pg_terminate_backend(pg_backend_pid())")
      }
    }
    #expect(error?.kind == .connectionLost)
    #expect(error?.sqlState == "57P01")
    #expect(try await pool.read { try $0.query("SELECT 1").count } == 1)
    #expect(pool.statistics.reconnects == 1)
    await pool.close()
  }

  @Test("closing refuses who waits, lets running bodies finish, and ends every thread")
  func closing() async throws {
    let pool = makePool(size: 2)
    let gate = Gate()
    try await withThrowingTaskGroup(of: Void.self) { group in
      try await occupy(pool, until: gate, in: &group)
      try await occupy(pool, until: gate, in: &group)
      let waiting = Task { try await pool.read { _ in } }
      #expect(try await eventually { pool.statistics.waiting == 1 })
      let closing = Task { await pool.close() }
      #expect(await failure { try await waiting.value }?.kind == .cancelled)
      gate.open(times: 2)
      try await group.waitForAll()
      await closing.value
    }
    #expect(pool.statistics.open == 0)
    #expect(await failure { try await pool.read { _ in } }?.kind == .cancelled)
  }

  @Test("onConnect runs on each new connection; the session is UTC and UTF-8")
  func session() async throws {
    let pool = makePool(onConnect: ["SET application_name = 'chosen'"])
    let row = try await pool.read { session in
      try session.one(
        """
        SELECT current_setting('application_name') AS name, current_setting('TimeZone') AS zone,
          current_setting('client_encoding') AS encoding
        """)
    }
    #expect(try row?.get("name") == "chosen")
    #expect(try row?.get("zone") == "UTC")
    #expect(try row?.get("encoding") == "UTF8")
    await pool.close()
  }

  @Test("a statement over its time limit is a timeout, and the connection lives on")
  func statementTimeout() async throws {
    let pool = makePool()
    _ = try await pool.read { try $0.query("SELECT 1") }
    let error = await failure {
      try await pool.read(timeout: .seconds(2)) { try $0.query("SELECT pg_sleep(20)") }
    }
    #expect(error?.kind == .timeout)
    #expect(error?.sqlState == "57014")
    let error2 = await failure {
      try await pool.write(timeout: .seconds(2)) { try $0.query("SELECT pg_sleep(20)") }
    }
    #expect(error2?.sqlState == "57014")
    #expect(pool.statistics.reconnects == 0)
    // The next call has the configured limit again.
    let limits = try await pool.read { session in
      try session.one("SHOW statement_timeout")?.get(0, as: String.self)
    }
    #expect(limits == "15s")
    await pool.close()
  }

  @Test("a thousand callers at once all get their turn")
  func crowd() async throws {
    let pool = makePool(size: 4)
    let done = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<1000 {
        group.addTask {
          try await pool.read { try $0.one("SELECT \(number)")?.get(0, as: Int.self) } ?? -1
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(done == 499_500)
    #expect(pool.statistics.open == 4)
    await pool.close()
  }
}
