import Foundation
import JSON

/// What an upsert or PATCH changes of one user.
public struct UserChange: Sendable {
  /// A field that may be left alone, set, or emptied.
  public enum Field<Value: Sendable & Equatable>: Sendable, Equatable {
    case keep
    case set(Value)
    case clear
  }

  /// A tag's value: from JSON, or as a cell of a table, whose type the catalogue decides.
  public enum TagValue: Sendable, Equatable {
    case value(JSONValue)
    case cell(String)
    case remove
  }

  public var identities: [Identity] = []
  public var attributes = AttributeChanges()
  public var timeZone: Field<String> = .keep
  public var locale: Field<String> = .keep
  public var consents: [(subscription: Subscription, state: ConsentState)] = []
  public var tags: [(key: String, value: TagValue)] = []
  public var devices: [Device] = []
  /// Read from a table, whose cells have no types: numbers and true and false are a guess.
  var isOfCells = false

  public init() {}

  /// Does both, one after the other: several changes of a batch may be of one user.
  mutating func append(_ later: UserChange) {
    attributes.append(later.attributes)
    if later.timeZone != .keep { timeZone = later.timeZone }
    if later.locale != .keep { locale = later.locale }
    consents = consents.filter { old in
      !later.consents.contains { $0.subscription == old.subscription }
    }
    consents += later.consents
    tags = tags.filter { old in !later.tags.contains { $0.key == old.key } } + later.tags
    devices =
      devices.filter { old in
        !later.devices.contains { $0.provider == old.provider && $0.token == old.token }
      } + later.devices
  }

  /// The names of what is changed, for the audit: values are personal.
  var auditJSON: JSONValue {
    var json = JSONObject()
    func list(_ key: String, _ names: [String]) {
      if !names.isEmpty { json[key] = .array(names.map(JSONValue.string)) }
    }
    list("identities", identities.map(\.kind.key))
    list("attributes", attributes.keys)
    list("tags", tags.map(\.key))
    for (subscription, state) in consents {
      json["consent_\(subscription.text)"] = .string(state.rawValue)
    }
    if !devices.isEmpty { json["devices"] = .int(devices.count) }
    if timeZone != .keep { json["time_zone"] = true }
    if locale != .keep { json["locale"] = true }
    return .object(json)
  }
}
