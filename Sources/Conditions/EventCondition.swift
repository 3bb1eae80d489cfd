import JSON

/// How often an event happened, or what a property of it adds up to.
///
/// `{"event": "order_paid", "count": {"gte": 2}, "within": "30d", "where": […]}`, or with
/// `"sum": "amount", "gte": 500` in place of `count`. Without either: at least once.
public struct EventCondition: Sendable, Equatable {
  public enum Measure: Sendable, Equatable {
    /// The number of matching events, 0 when there is none.
    case count
    /// The exact sum of a property over the matching events. Events whose property is absent or no
    /// number add nothing; the sum of nothing is 0, so `lte` is true of whoever did nothing.
    case sum(property: String)
  }

  public var name: String
  public var filters: [PropertyCondition]
  /// Nil: ever, up to now.
  public var within: Window?
  public var measure: Measure
  /// Numeric ones only (eq, ne, gt, gte, lt, lte, between), never empty; all must hold.
  public var comparisons: [Comparison]

  public init(
    name: String, filters: [PropertyCondition] = [], within: Window? = nil,
    measure: Measure = .count, comparisons: [Comparison] = [.gte(1)]
  ) {
    self.name = name
    self.filters = filters
    self.within = within
    self.measure = measure
    self.comparisons = comparisons
  }
}

/// A test of a top-level property of an event: true when every comparison is.
/// `{"property": "amount", "gte": 100}`
public struct PropertyCondition: Sendable, Equatable {
  public var key: String
  public var comparisons: [Comparison]

  public init(key: String, comparisons: [Comparison]) {
    self.key = key
    self.comparisons = comparisons
  }
}

/// Events that followed one another.
///
/// True when there are events e₁ … eₙ, eᵢ matching step i, each strictly later than the one before
/// and tied to it as its step says. Events in between do not matter.
///
/// With `"absent": "last"` it is true when e₁ … eₙ₋₁ exist for which no eₙ does; if the last step
/// has a `within`, that time must also be over (eₙ₋₁ + within ≤ now), since before its end nobody
/// can say that nothing came.
public struct SequenceCondition: Sendable, Equatable {
  public struct Step: Sendable, Equatable {
    public var name: String
    public var filters: [PropertyCondition]
    /// On the first step: when e₁ happened, seen from now. On the others: at most this long after
    /// the event before, which `Window.calendar` cannot say and parsing refuses.
    public var within: Window?
    /// This property must be present and equal (as JSON) in this event and the one before. Never
    /// on the first step.
    public var same: String?

    public init(
      name: String, filters: [PropertyCondition] = [], within: Window? = nil, same: String? = nil
    ) {
      self.name = name
      self.filters = filters
      self.within = within
      self.same = same
    }
  }

  public static let stepCount = 2...8

  public var steps: [Step]
  public var lastIsAbsent: Bool

  public init(steps: [Step], lastIsAbsent: Bool = false) {
    self.steps = steps
    self.lastIsAbsent = lastIsAbsent
  }
}
