import Foundation

/// When a hand-over that the provider could not take is tried again.
public enum RetryPolicy {
  /// Hand-overs at one link of a chain, the first included.
  public static let ceiling = 8
  /// No wait is longer, whatever a provider asks for.
  public static let longest: TimeInterval = 3600

  /// Exponential from 2 seconds with equal jitter: half fixed, half drawn (`jitter` in 0..<1).
  /// `asked`: what Retry-After said; never tried before it.
  public static func delay(tries: Int, asked: Duration?, jitter: Double) -> TimeInterval {
    let exponential = min(2 * pow(2, Double(min(max(tries, 1), 12) - 1)), longest)
    let drawn = exponential / 2 + exponential / 2 * min(max(jitter, 0), 1)
    let asked = asked.map { min(max(Double($0.components.seconds), 0), longest) } ?? 0
    return max(drawn, asked)
  }
}
