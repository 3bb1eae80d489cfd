import Foundation
import JSON

/// Several ways to say what one send step says, compared on people assigned by chance.
public struct Experiment: Sendable {
  public struct Variant: Sendable {
    public let key: String
    /// What a template of the step's chain is replaced by.
    public let templates: [String: String]
  }

  public enum Mode: String, Sendable, CaseIterable {
    /// Everybody is in one of the variants, for as long as the plan lives.
    case ab
    /// Some try the variants, the others get the one that did best.
    case race
  }

  /// What a variant is judged by: a share of those it was sent to.
  public enum Metric: String, Sendable, CaseIterable {
    case clickRate = "click_rate"
    case openRate = "open_rate"
  }

  public enum Rule: String, Sendable, CaseIterable {
    /// The best estimate, however near the others are.
    case highest
  }

  public struct Race: Sendable {
    /// Of the people not held out, how many race; on a stream all do until the decision.
    public let share: Double
    /// How long each of them is watched after the send.
    public let observe: TimeSpan
    public let metric: Metric
    public let rule: Rule
    public let ifInsufficient: Insufficient?
  }

  /// What is done when too few have answered to tell.
  public struct Insufficient: Sendable {
    public enum Fallback: String, Sendable, CaseIterable {
      /// Whatever is ahead.
      case leader
      /// The variant named first.
      case first
    }
    /// The watching goes on until this long after the send.
    public let extendUntil: TimeSpan?
    public let then: Fallback
  }

  public let step: String
  public let variants: [Variant]
  /// Nil: A/B.
  public let race: Race?

  /// The arm of those who do not race: they get the winner.
  public static let winner = "winner"
  /// Words that no variant may be called by.
  static let reserved: Set<String> = [winner, Holdout.heldOut, Holdout.isIn, "none"]

  func variant(_ key: String?) -> Variant? { variants.first { $0.key == key } }
}

/// How people are assigned to the arms of an experiment: by a salted bucket, and kept (`arms`).
struct VariantDraw: Sendable {
  /// Salt of the buckets, and the name under which arms are kept.
  let scope: String
  /// In the order of the document. A larger share only adds buckets: nobody changes from one
  /// variant to another.
  let ranges: [(key: String, buckets: Range<Int>)]
  /// On a stream the winner is known: everybody gets it.
  var isDecided = false

  init(_ experiment: Experiment, plan: String) {
    scope = "experiment:\(plan):\(experiment.step)"
    let count = max(experiment.variants.count, 1)
    ranges = experiment.variants.enumerated().map { place, variant in
      let start = place * 10_000 / count
      let width = (place + 1) * 10_000 / count - start
      let taken = Int((Double(width) * (experiment.race?.share ?? 1)).rounded())
      return (variant.key, start..<(start + min(width, taken)))
    }
  }

  func arm(of bucket: Int) -> String {
    ranges.first { $0.buckets.contains(bucket) }?.key ?? Experiment.winner
  }
}
