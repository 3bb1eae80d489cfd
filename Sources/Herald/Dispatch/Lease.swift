import Foundation
import Synchronization

/// A claim on rows of some lanes, as its holder knows it. The database decides (rows another worker has
/// claimed carry another id); this one says without asking when the claim may have run out.
final class Lease: Sendable {
  let id = UUID()
  let lanes: [Int]
  let seconds: Int
  private let until: Mutex<ContinuousClock.Instant>

  /// To be made before the statement that claims.
  init(lanes: [Int], seconds: Int) {
    self.lanes = lanes
    self.seconds = seconds
    until = Mutex(.now + .seconds(seconds))
  }

  /// `start`: an instant before the statement was sent that found the rows still held.
  func renewed(at start: ContinuousClock.Instant) {
    until.withLock { $0 = max($0, start + .seconds(seconds)) }
  }

  /// The same when some of the rows may have been lost meanwhile: what has run out stays so.
  func extended(at start: ContinuousClock.Instant) {
    if isHeld { renewed(at: start) }
  }

  /// False from the moment on at which another worker may claim the rows, also after this process
  /// stood still.
  var isHeld: Bool { until.withLock { .now < $0 } }
}
