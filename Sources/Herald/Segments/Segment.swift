import Foundation
import JSON

/// A named set of users: a condition (rule), or an uploaded list (static).
public struct Segment: Sendable, Equatable {
  public let key: String
  public var name: String
  /// Nil for a static list.
  public var condition: JSONValue?
  public var refresh: Refresh

  public enum Kind: String, Sendable, CaseIterable {
    case rule
    case list = "static"
  }

  public var kind: Kind { condition == nil ? .list : .rule }

  /// When a rule's members are looked at anew.
  public enum Refresh: Sendable, Equatable {
    /// Soon after an event or change of a user, and when a window runs out.
    case live
    case scheduled(cron: String, zone: String)
    case list

    public var json: JSONValue {
      switch self {
      case .live: "live"
      case .scheduled(let cron, let zone): ["cron": .string(cron), "zone": .string(zone)]
      case .list: "static"
      }
    }

    /// As stored; what cannot be read is `live`.
    init(stored json: JSONValue) {
      if let cron = json["cron"]?.stringValue, let zone = json["zone"]?.stringValue {
        self = .scheduled(cron: cron, zone: zone)
      } else {
        self = json.stringValue == "static" ? .list : .live
      }
    }
  }
}

/// A segment with its place in time.
public struct StoredSegment: Sendable {
  public let segment: Segment
  /// The content version of a static list; 0 for a rule and for a list that never had members.
  public let listVersion: Int
  /// As counted last, and when.
  public let size: Int?
  public let refreshedAt: Date?
  public let version: Int
  public let createdAt: Date
  public let updatedAt: Date
}
