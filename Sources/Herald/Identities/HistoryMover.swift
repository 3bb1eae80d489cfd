import Foundation
import Logging
import Postgres

/// Carries large histories over after a merge or an undo: step by step, so that ingestion never waits
/// long, and from wherever a killed process had come to. Any number of processes may run one.
struct HistoryMover: Sendable {
  /// Events of one transaction.
  static let eventsAtOnce = 1000

  let db: Database
  let logger: Logger

  /// Works until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      do {
        let began = ContinuousClock.now
        if try await step() {
          // As long as it worked: half of the time is for others.
          try await Task.sleep(for: max(.milliseconds(5), ContinuousClock.now - began))
          continue
        }
      } catch is CancellationError {
        return
      } catch {
        logger.warning("moving histories waits", metadata: ["error": "\(error)"])
      }
      try? await Task.sleep(for: .seconds(1))
    }
  }

  /// False when there is nothing to move.
  func step() async throws -> Bool {
    try await db.pool.write(timeout: .seconds(60)) { tx in
      // First of all: a merge would wait for the row below, and everybody for the merge.
      try IdentityLock.share(in: tx)
      guard let work = try HistoryStore.claim(in: tx) else { return false }
      let step = try HistoryStore.move(
        from: work.user, after: work.position, limit: Self.eventsAtOnce, in: tx)
      try HistoryStore.advance(work, step, in: tx)
      return true
    }
  }
}
