import Foundation

/// How much an import leaves to live traffic: it rests after a batch where others are at work, and
/// goes at full speed where it is alone.
///
/// Requests of this process are seen directly. Those of others show by what a batch takes: more than
/// twice of what the quickest took lately means that somebody else wants the same database.
struct SlowLane: Sendable {
  /// Of live events a second, from which on the import is to rest.
  static let liveRate = 20.0
  /// It works a third of the time then.
  static let rest = 2.0
  /// The import's lease outlasts any pause by far.
  static let longest = 1.0

  /// Seconds a record.
  private var quickest: Double?

  /// Seconds to rest after a batch of `records` that took `seconds`, during which and since the batch
  /// before `live` events came in over `elapsed` seconds.
  mutating func pause(
    after seconds: Double, records: Int, live: Int, elapsed: Double
  ) -> Double {
    guard records > 0, seconds > 0 else { return 0 }
    let each = seconds / Double(records)
    // A growing table makes every batch a little dearer; that is no traffic.
    let best = min(each, (quickest ?? each) * 1.02)
    quickest = best
    let isBusy = elapsed > 0 && Double(live) / elapsed >= Self.liveRate
    let isHeldUp = records >= 100 && each > 2 * best
    return isBusy
      ? min(Self.longest, seconds * Self.rest)
      : isHeldUp ? min(Self.longest, seconds) : 0
  }
}
