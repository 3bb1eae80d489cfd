import Foundation
import HeraldTesting
import Logging
import Migrations
import Postgres
import Synchronization
import Testing

@testable import Herald

@Suite("Keeping house") struct HousekeeperTests {
  @Test("what the end cuts off while it waits for a connection is no error")
  func end() async throws {
    try await withDatabase(migrations: HeraldSchema.migrations) {
      let lines = LogLines()
      let pool = TestDatabase.current.makePool(size: 1)
      let logger = Logger(label: "tests") { _ in LineRecorder(lines: lines) }
      let idempotency = Idempotency(db: Database(pool: pool))
      let keeper = Housekeeper(
        chores: [Chore("keys", every: 1) { try await idempotency.prune(now: Date()) }],
        logger: logger)
      let isFree = Mutex(false)
      let blocker = Task {
        try await pool.read { _ in
          while !isFree.withLock({ $0 }) { usleep(1000) }
        }
      }
      while pool.statistics.idle > 0 || pool.statistics.open == 0 { await Task.yield() }
      let work = Task { await keeper.run() }
      while pool.statistics.waiting == 0 { await Task.yield() }
      work.cancel()
      await work.value
      isFree.withLock { $0 = true }
      try await blocker.value
      await pool.close()
      #expect(lines.all == [])
    }
  }
}

private final class LogLines: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }
  func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct LineRecorder: LogHandler {
  let lines: LogLines
  var logLevel = Logger.Level.trace
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { lines.add("\(event.message) \(event.metadata ?? [:])") }
}
