/// Who is kept out of a plan for comparison: by the plan's own holdout, and by the global one that
/// all marketing plans share. A person's group is drawn at the first entry that asks and kept (`arms`).
struct Holdout: Sendable, Equatable {
  /// Salts of the buckets, and the names under which groups are kept.
  static let globalScope = "holdout"
  let scope: String
  /// Buckets of 10,000 below these are held out.
  let buckets: Int
  let globalBuckets: Int

  static let heldOut = "held_out"
  static let isIn = "in"
  /// Reason of an enrolment that the global holdout keeps out.
  static let globalReason = "global_holdout"

  static func buckets(_ share: Double) -> Int { Int((share * 10_000).rounded()) }
}

extension PlanDocument {
  /// A transactional plan holds nobody out.
  func holdout(of plan: String, _ project: ProjectSettings) -> Holdout {
    Holdout(
      scope: "\(Holdout.globalScope):\(plan)", buckets: holdoutBuckets,
      globalBuckets: messageClass == .transactional ? 0 : Holdout.buckets(project.globalHoldout))
  }

  /// Buckets of 10,000 that the plan's own holdout keeps out.
  var holdoutBuckets: Int { messageClass == .transactional ? 0 : Holdout.buckets(holdout) }
}
