import Foundation
import JSON
import Logging
import Postgres
import Synchronization

/// How far hand-overs have come, kept in the database and in a file outside of it. The count in the
/// database only ever grows, so that a database behind the file is one that was restored.
///
/// Moves before the first hand-over of each second. What a restoration loses of less than the last
/// second goes unnoticed by it; `herald restore` does not depend on it.
public final class HandoverMark: Sendable {
  struct Reading: Sendable, Equatable {
    let installation: UUID
    let count: Int
  }

  /// The least time between two moves.
  static let interval = Duration.seconds(1)

  private let directory: URL?
  private let state = Mutex(State())

  private struct State {
    /// The highest count seen, by installation.
    var highest: [UUID: Int] = [:]
    var moved: ContinuousClock.Instant?
    /// The pool's count of lost connections then: a restoration breaks them all.
    var reconnects = 0
    var hasFailed = false
  }

  /// Without a directory the mark lives as long as the process.
  public init(directory: URL?) { self.directory = directory }

  /// Moves the mark when it has not moved for a second or a connection was lost. When the database turns out to be a restored
  /// one, everything is stopped in it before this returns.
  func advance(in db: Database, logger: Logger) async throws {
    let reconnects = db.pool.statistics.reconnects
    let isDue = state.withLock { state in
      let now = ContinuousClock.now
      if let moved = state.moved, now - moved < Self.interval, reconnects == state.reconnects {
        return false
      }
      state.moved = now
      state.reconnects = reconnects
      return true
    }
    guard isDue else { return }
    do {
      let (reading, known) = try await db.pool.write { tx in
        let reading = try HandoverMarkStore.advance(in: tx)
        // While this holds the row nobody counts further: what is known is lower. Afterwards another
        // process may be ahead.
        return (reading, self.highest(of: reading.installation))
      }
      if let known, reading.count <= known {
        try await Restorations(db: db, mark: self).begin(past: known, now: Date())
        logger.critical(
          "the database was restored from a backup: dispatch is stopped until `herald resume --after-restore`"
        )
      } else if !note(reading) {
        logger.warning("the mark of hand-overs cannot be written in the data directory")
      }
    } catch {
      state.withLock { $0.moved = nil }
      throw error
    }
  }

  /// The highest count known from outside the database.
  func highest(of installation: UUID) -> Int? {
    if let known = state.withLock({ $0.highest[installation] }) { return known }
    guard let text = file(installation).flatMap({ try? String(contentsOf: $0, encoding: .utf8) }),
      let count = Int(text.prefix { $0.isNumber })
    else { return nil }
    state.withLock { $0.highest[installation] = max(count, $0.highest[installation] ?? 0) }
    return count
  }

  /// Remembers a count that is committed in the database. False the first time the file cannot be
  /// written.
  func note(_ reading: Reading) -> Bool {
    state.withLock { state in
      let highest = max(reading.count, state.highest[reading.installation] ?? 0)
      state.highest[reading.installation] = highest
      guard let file = file(reading.installation) else { return true }
      let text = "\(highest) \(Date().rfc3339)\n"
      do {
        try Data(text.utf8).write(to: file, options: .atomic)
        state.hasFailed = false
      } catch {
        defer { state.hasFailed = true }
        return state.hasFailed
      }
      return true
    }
  }

  private func file(_ installation: UUID) -> URL? {
    directory?.appendingPathComponent("handovers-\(installation.text).mark")
  }
}
