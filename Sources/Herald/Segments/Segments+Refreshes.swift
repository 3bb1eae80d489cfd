import Foundation
import Postgres

extension Segment.Refresh {
  /// The first time after `instant` at which the schedule, if there is one, asks for a count.
  func next(after instant: Date) -> Date? {
    guard case .scheduled(let cron, let name) = self, let zone = TimeZone(identifier: name) else {
      return nil
    }
    return CronSchedule(cron)?.next(after: instant, in: zone)
  }
}

extension Segments {
  /// Counting for a schedule may take longer than for a request.
  private static let scheduledPatience = Duration.seconds(120)

  /// Counts those whose schedule has come, the rest of a long list another time.
  func refreshDue(atMost limit: Int, now: Date) async throws {
    for _ in 0..<limit where try await !refreshDue(now: now) { return }
  }

  /// Counts one segment whose schedule has come, however many processes ask at once; of several
  /// occurrences missed, the latest counts for all. False when none is due.
  func refreshDue(now: Date) async throws -> Bool {
    let settings = try await settings()
    do {
      return try await db.pool.write(timeout: Self.scheduledPatience) { tx in
        guard let (stored, dueAt) = try SegmentStore.lockDue(now: now, in: tx) else {
          return false
        }
        let key = stored.segment.key
        try SegmentCrowdStore.prepare(tx)
        let predicate = try Audience(key, in: tx).predicate(.herald, settings, now: now, in: tx)
        let size = try SegmentCrowdStore.count(predicate, in: tx)
        try SegmentStore.saveSize(key, size, now: now, in: tx)
        try SegmentStore.record(key, dueAt: dueAt, size: size, now: now, in: tx)
        try SegmentStore.schedule(key, at: stored.segment.refresh.next(after: now), in: tx)
        return true
      }
    } catch let error as PostgresError where error.isUnavailable {
      throw error
    } catch {
      // One that cannot be counted must not keep the others from it.
      try await db.pool.write { tx in
        guard let (stored, _) = try SegmentStore.lockDue(now: now, in: tx) else { return }
        try SegmentStore.schedule(
          stored.segment.key, at: stored.segment.refresh.next(after: now), in: tx)
      }
      throw error
    }
  }
}
