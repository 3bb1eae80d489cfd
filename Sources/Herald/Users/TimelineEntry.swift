import Foundation
import JSON

/// One thing that happened to or around a user.
struct TimelineEntry: Sendable {
  enum Kind: String, Sendable, CaseIterable {
    case event, delivery, receipt, coupon, redemption, tag, consent, identity, merge
  }

  let at: Date
  let kind: Kind
  /// Unique among the user's entries; orders those of one instant.
  let key: String
  let data: JSONValue

  func json(masked: Bool) -> JSONValue {
    ["at": .instant(at), "type": .string(kind.rawValue), "data": masked ? maskedData : data]
  }

  private var maskedData: JSONValue {
    guard var object = UserMask.masked(data).objectValue else { return data }
    // Whatever kind of identity it is; and a code is as good as money.
    for key in ["identity", "code"] {
      if let value = object[key] { object[key] = UserMask.masked(value, isPersonal: true) }
    }
    // What happened is nobody's name.
    if kind == .event, let name = data["name"] { object["name"] = name }
    return .object(object)
  }

  static let schema = Schema.object([
    "at": Schema.instant, "type": Schema.choice(Kind.allCases.map(\.rawValue)),
    "data": Schema.map(Schema.any),
  ])
}

/// What of a timeline somebody wants to see.
struct TimelineFilter: Sendable {
  /// Empty for all.
  var kinds: Set<TimelineEntry.Kind> = []
  /// Of events only those that are orders.
  var ordersOnly = false
  /// Of the event, tag, coupon or plan, or the channel.
  var name: String?
  var from: Date?
  var until: Date?

  /// What `kind` in a query may be.
  static let kindNames = TimelineEntry.Kind.allCases.map(\.rawValue) + ["order"]
}
