extension Condition {
  /// What a condition names: for cycle checks, refresh order, triggers and manifests. Each list is
  /// sorted by bytes and without repeats.
  public struct References: Sendable, Equatable {
    public var segments: [String] = []
    public var tags: [String] = []
    public var events: [String] = []
    public var attributes: [String] = []
    public var plans: [String] = []
    /// Named by `consent` or `reachable`.
    public var channels: [String] = []
  }

  public var referenced: References {
    var references = References()
    for leaf in leaves {
      switch leaf {
      case .attribute(let test): references.attributes.append(test.key)
      case .tag(let test): references.tags.append(test.key)
      case .event(let test): references.events.append(test.name)
      case .sequence(let test): references.events += test.steps.map(\.name)
      case .segment(let key): references.segments.append(key)
      case .received(let test): references.plans.append(test.plan)
      case .consent(let test): references.channels.append(test.channel)
      case .reachable(let channel): references.channels.append(channel)
      case .all, .any, .not, .bucket: break
      }
    }
    for list in [
      \References.segments, \.tags, \.events, \.attributes, \.plans, \.channels,
    ] as [WritableKeyPath<References, [String]>] {
      references[keyPath: list] = references[keyPath: list].uniqueByBytes
    }
    return references
  }

  /// The nodes that are neither `all`, `any` nor `not`, in the order they are written.
  public var leaves: [Condition] {
    switch self {
    case .all(let parts), .any(let parts): parts.flatMap(\.leaves)
    case .not(let part): part.leaves
    default: [self]
    }
  }

  /// Whether the truth may change by the passing of time alone, without anything happening.
  public var dependsOnTime: Bool {
    leaves.contains { leaf in
      switch leaf {
      case .attribute(let test): test.comparisons.contains(where: \.dependsOnTime)
      // A tag may expire.
      case .tag: true
      case .event(let test):
        test.within != nil
          || test.filters.contains { $0.comparisons.contains(where: \.dependsOnTime) }
      case .sequence(let test):
        test.steps.first?.within != nil
          || (test.lastIsAbsent && test.steps.last?.within != nil)
          || test.steps.contains { step in
            step.filters.contains { $0.comparisons.contains(where: \.dependsOnTime) }
          }
      case .received(let test): test.within != nil
      default: false
      }
    }
  }
}

extension Comparison {
  fileprivate var dependsOnTime: Bool {
    switch self {
    case .matchesDay: true
    case .before(let moment), .after(let moment):
      switch moment {
      case .now, .ago, .ahead: true
      case .instant, .day: false
      }
    default: false
    }
  }
}

extension [String] {
  fileprivate var uniqueByBytes: [String] {
    let sorted = sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return sorted.enumerated()
      .filter { $0 == 0 || !sorted[$0 - 1].utf8.elementsEqual($1.utf8) }.map(\.element)
  }
}
