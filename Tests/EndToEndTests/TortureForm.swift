import Foundation
import HeraldTesting
import Testing

/// Kills of every kind, judged by the ledger and the log of the receiving end. The tests share one
/// PostgreSQL that some of them crash, so they run one after another.
///
/// `make test` runs a short form, `make torture` the long one. A run is repeated by its seed:
/// `HERALD_SEED=… make torture`; where in the program a kill falls is for the machine to say.
@Suite(
  "Torture", .serialized,
  .enabled(
    if: DurableCluster.current != nil, "needs `make test`, which starts a durable PostgreSQL"))
enum Torture {}

/// How much of everything.
struct TortureForm {
  let isLong: Bool
  let seed: UInt64

  static let current: TortureForm = {
    let environment = ProcessInfo.processInfo.environment
    return TortureForm(
      isLong: environment["HERALD_TORTURE"] == "long",
      seed: environment["HERALD_SEED"].flatMap { UInt64($0) } ?? .random(in: 1...999_999_999))
  }()

  /// One of two figures, by the form.
  func pick<T>(short: T, long: T) -> T { isLong ? long : short }
}

/// SplitMix64.
struct TortureRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
