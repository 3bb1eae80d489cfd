import JSON

/// What a person can agree to or refuse: a channel as a whole, or one subscription group on it. The
/// group of a message is its plan's `category`.
public struct Subscription: Sendable, Hashable {
  public let channel: Channel
  /// Empty for the channel as a whole.
  public let group: String

  public init(_ channel: Channel, group: String = "") {
    self.channel = channel
    self.group = group
  }

  /// `sms` or `sms:promotions`; nil when it is neither.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let channel = Channel(rawValue: String(parts[0])) else { return nil }
    guard parts.count > 1 else {
      self.init(channel)
      return
    }
    let group = String(parts[1])
    guard Self.isGroup(group) else { return nil }
    self.init(channel, group: group)
  }

  public var isWholeChannel: Bool { group.isEmpty }
  public var text: String { isWholeChannel ? channel.rawValue : "\(channel.rawValue):\(group)" }

  static let groupLength = 1...64

  static func isGroup(_ text: String) -> Bool {
    groupLength ~= text.unicodeScalars.count
      && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
  }

  /// By bytes, as PostgreSQL compares.
  public static func == (left: Subscription, right: Subscription) -> Bool {
    left.channel == right.channel && left.group.utf8.elementsEqual(right.group.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(channel)
    for byte in group.utf8 { hasher.combine(byte) }
  }

  /// Schema of an object with a value for each subscription.
  static func map(_ value: JSONValue) -> JSONValue {
    let channels = Channel.allCases.map(\.rawValue).joined(separator: "|")
    return [
      "type": "object",
      "description": "By channel (`sms`), or channel and subscription group (`sms:promotions`).",
      "patternProperties": .object(["^(\(channels))(:.{1,64})?$": value]),
      "additionalProperties": false,
    ]
  }
}
