/// A question about one user: the language of segments, audiences, tag rules and user scopes.
///
/// Two readers give every node the same meaning: `evaluate` in memory, and the SQL compiler. What a
/// node means is said here, at the node; nothing is three-valued: every node is true or false of
/// every user at every instant `now`.
///
/// Common rules:
/// - JSON `null` counts as absent everywhere. An absent value satisfies no operator but
///   `exists: false`, `ne` and `not_in`.
/// - A value of another JSON type than the operand satisfies no operator but `ne` and `not_in`.
/// - Numbers compare as exact decimals (`1.0` equals `1`; PostgreSQL's numeric). Strings compare by
///   their UTF-8 bytes (collation "C"), so `é` composed and decomposed differ.
/// - What happened after `now` has not happened: event, receipt and sequence nodes see times ≤ `now`.
public indirect enum Condition: Sendable, Equatable {
  /// True when every part is. `{"all": []}` is everybody.
  case all([Condition])
  /// True when some part is. Never empty when parsed.
  case any([Condition])
  case not(Condition)
  case attribute(AttributeCondition)
  case tag(TagCondition)
  case event(EventCondition)
  case sequence(SequenceCondition)
  case consent(ConsentCondition)
  /// True when the user has an address on the channel that may be used.
  case reachable(channel: String)
  /// True for the members of another segment, a rule's or a static list's.
  case segment(key: String)
  case received(ReceivedCondition)
  case bucket(BucketCondition)

  /// Everybody.
  public static let everybody = Condition.all([])

  /// Levels of `all`, `any` and `not` around a leaf, the leaf included.
  public static let maximumDepth = 16
  /// Nodes, sequence steps and property conditions together.
  public static let maximumNodes = 500

  /// The channels a `consent` or `reachable` node may name.
  public static let channels = [
    "push", "sms", "coupon", "email", "wechat", "in_app", "webhook", "service_message",
  ]
}

/// A test of an attribute: true when every comparison is. `{"attribute": "age", "gte": 18}`
public struct AttributeCondition: Sendable, Equatable {
  public var key: String
  /// Never empty when parsed; in the order of `Comparison.Operator`.
  public var comparisons: [Comparison]

  public init(key: String, comparisons: [Comparison]) {
    self.key = key
    self.comparisons = comparisons
  }
}

/// A test of a tag's value; a tag that has expired (`expires_at` ≤ now) is absent.
///
/// `{"tag": "vip"}` alone means the user has the tag. `exists` asks for the tag, not for a value: a
/// tag without a value (null) exists, and to every other operator its value is absent.
public struct TagCondition: Sendable, Equatable {
  public var key: String
  /// In the order of `Comparison.Operator`; the bare form parses to `[.exists(true)]`.
  public var comparisons: [Comparison]

  public init(key: String, comparisons: [Comparison] = [.exists(true)]) {
    self.key = key
    self.comparisons = comparisons
  }
}

/// `{"consent": "sms"}`, or with `"is": "denied" | "unknown"`: the recorded answer, whatever the
/// settings let `unknown` mean. No record is `unknown`.
public struct ConsentCondition: Sendable, Equatable {
  public enum Answer: String, Sendable, CaseIterable { case granted, denied, unknown }

  public var channel: String
  public var answer: Answer

  public init(channel: String, answer: Answer = .granted) {
    self.channel = channel
    self.answer = answer
  }
}

/// `{"received": "plan_key", "within": "14d"}`: a delivery of the plan was sent to the user in the
/// window. Without `within`, ever.
public struct ReceivedCondition: Sendable, Equatable {
  public var plan: String
  public var within: Window?

  public init(plan: String, within: Window? = nil) {
    self.plan = plan
    self.within = within
  }
}

/// `{"bucket": [0, 999]}`: the user's bucket (`Bucket.of(salt:unit:)` of the user id's text) lies
/// in the range, both ends included.
public struct BucketCondition: Sendable, Equatable {
  /// Used where a condition names none.
  public static let defaultSalt = "segment"

  public var range: ClosedRange<Int>
  public var salt: String

  public init(range: ClosedRange<Int>, salt: String = defaultSalt) {
    self.range = range
    self.salt = salt
  }
}
