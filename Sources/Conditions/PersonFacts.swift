import Foundation
import JSON

/// Everything a condition can ask about one user.
public struct PersonFacts: Sendable {
  /// The text of the user's id, as buckets hash it.
  public var userID: String
  /// The user's zone, already resolved (user's, else by phone region, else the project's).
  public var zone: TimeZone
  public var attributes: JSONObject
  public var tags: [String: TagFact]
  /// In any order.
  public var events: [EventFact]
  /// By channel.
  public var consents: [String: ConsentCondition.Answer]
  /// Channels.
  public var reachable: Set<String>
  /// The keys of the segments the user is a member of, those a condition names at least.
  public var segments: Set<String>
  /// Sent deliveries, in any order.
  public var received: [(plan: String, time: Date)]

  public struct TagFact: Sendable {
    /// `true` for a flag.
    public var value: JSONValue
    public var expiresAt: Date?

    public init(value: JSONValue = true, expiresAt: Date? = nil) {
      self.value = value
      self.expiresAt = expiresAt
    }
  }

  public struct EventFact: Sendable {
    public var name: String
    public var time: Date
    public var properties: JSONObject

    public init(name: String, time: Date, properties: JSONObject = [:]) {
      self.name = name
      self.time = time
      self.properties = properties
    }
  }

  public init(
    userID: String, zone: TimeZone, attributes: JSONObject = [:], tags: [String: TagFact] = [:],
    events: [EventFact] = [], consents: [String: ConsentCondition.Answer] = [:],
    reachable: Set<String> = [], segments: Set<String> = [],
    received: [(plan: String, time: Date)] = []
  ) {
    self.userID = userID
    self.zone = zone
    self.attributes = attributes
    self.tags = tags
    self.events = events
    self.consents = consents
    self.reachable = reachable
    self.segments = segments
    self.received = received
  }
}
