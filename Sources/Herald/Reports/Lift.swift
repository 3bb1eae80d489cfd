import Foundation

/// How many of a group did what the plan was for.
struct Conversions: Sendable, Equatable {
  let people: Int
  let converted: Int

  /// Nil of nobody.
  var rate: Double? { people > 0 ? Double(converted) / Double(people) : nil }

  /// Wilson's score interval of the rate at 95 %.
  fileprivate var interval: (low: Double, high: Double)? {
    guard let rate else { return nil }
    let z = 1.959_963_984_540_054
    let n = Double(people)
    let center = rate + z * z / (2 * n)
    let spread = z * (rate * (1 - rate) / n + z * z / (4 * n * n)).squareRoot()
    let scale = 1 + z * z / n
    return (max(0, (center - spread) / scale), min(1, (center + spread) / scale))
  }
}

/// What a plan brought beyond what would have happened anyway: the rate of everybody who came in and
/// was not held out, less the rate of the held out.
struct Lift: Sendable, Equatable {
  /// Difference of the rates.
  let absolute: Double
  /// As a share of the held-out rate; nil when that is 0.
  let relative: Double?
  /// Of `absolute`: Newcombe's hybrid score interval at 95 % (R. G. Newcombe, Interval estimation for
  /// the difference between independent proportions, 1998, method 10).
  let low: Double
  let high: Double

  /// Nil when one of the groups is empty.
  init?(_ treated: Conversions, against heldOut: Conversions) {
    guard let p = treated.rate, let q = heldOut.rate, let a = treated.interval,
      let b = heldOut.interval
    else { return nil }
    absolute = p - q
    relative = q > 0 ? (p - q) / q : nil
    low = absolute - ((p - a.low) * (p - a.low) + (b.high - q) * (b.high - q)).squareRoot()
    high = absolute + ((a.high - p) * (a.high - p) + (q - b.low) * (q - b.low)).squareRoot()
  }
}
