import Foundation
import JSON

/// What a batch of events, or of changes of users, looks like: names, types, times, and no values.
struct CatalogueTally: Sendable, Equatable {
  struct Field: Sendable, Equatable {
    /// How often each type was seen: `string`, `number`, `boolean`, `array`, `object`.
    var types: [String: Int] = [:]
    var first: Date
    var last: Date

    var count: Int { types.values.reduce(0, +) }

    mutating func add(_ other: Field) {
      for (type, count) in other.types { types[type, default: 0] += count }
      first = min(first, other.first)
      last = max(last, other.last)
    }
  }

  struct Event: Sendable, Equatable {
    var count = 0
    var flagged = 0
    var first: Date
    var last: Date
    var properties: [String: Field] = [:]

    mutating func add(_ other: Event) {
      count += other.count
      flagged += other.flagged
      first = min(first, other.first)
      last = max(last, other.last)
      for (name, field) in other.properties {
        if properties[name]?.add(field) == nil { properties[name] = field }
      }
    }
  }

  /// Fields of one event, or of users, that are kept apart; what comes later is not listed. Somebody
  /// who puts ids into names must not fill the catalogue.
  static let fieldLimit = 300
  /// Names of events.
  static let eventLimit = 5000

  var events: [String: Event] = [:]
  var attributes: [String: Field] = [:]

  var isEmpty: Bool { events.isEmpty && attributes.isEmpty }

  /// `properties`: a JSON object that was checked already.
  mutating func add(event name: String, at instant: Date, properties: [UInt8]) {
    guard events[name] != nil || events.count < Self.eventLimit else { return }
    var event = events[name] ?? Event(first: instant, last: instant)
    event.count += 1
    event.first = min(event.first, instant)
    event.last = max(event.last, instant)
    Self.read(properties) { field, type in
      guard event.properties[field] != nil || event.properties.count < Self.fieldLimit else {
        return
      }
      event.properties[field, default: Field(first: instant, last: instant)]
        .add(Field(types: [type: 1], first: instant, last: instant))
    }
    events[name] = event
  }

  mutating func flag(event name: String, at instant: Date) {
    events[name, default: Event(first: instant, last: instant)].flagged += 1
  }

  mutating func add(attribute name: String, _ value: JSONValue, at instant: Date) {
    guard let type = value.catalogueType,
      attributes[name] != nil || attributes.count < Self.fieldLimit
    else { return }
    attributes[name, default: Field(first: instant, last: instant)]
      .add(Field(types: [type: 1], first: instant, last: instant))
  }

  mutating func add(_ other: CatalogueTally) {
    for (name, event) in other.events {
      if events[name]?.add(event) == nil { events[name] = event }
    }
    for (name, field) in other.attributes {
      if attributes[name]?.add(field) == nil { attributes[name] = field }
    }
  }

  /// Walks the bytes in place: no value is built.
  private static func read(_ properties: [UInt8], _ note: (String, String) -> Void) {
    var cursor = JSONCursor(properties)
    do throws(JSONFault) {
      try cursor.openObject()
      while let key = try cursor.nextKey() {
        let kind = try cursor.peek()
        _ = try cursor.skipValue()
        if let type = kind.catalogueType { note(key, type) }
      }
    } catch {
      // Stored as it came all the same; it only goes uncounted.
    }
  }
}

extension JSONCursor.Kind {
  /// Null has no type.
  fileprivate var catalogueType: String? {
    switch self {
    case .null: nil
    case .bool: "boolean"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }
}

extension JSONValue {
  fileprivate var catalogueType: String? {
    switch self {
    case .null: nil
    case .bool: "boolean"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }
}

// MARK: - As a row of `catalogue_deltas`

extension CatalogueTally {
  var json: JSONValue {
    [
      "events": .object(
        JSONObject(
          events.map { name, event in
            (
              key: name,
              value: [
                "n": .int(event.count), "flagged": .int(event.flagged),
                "first": .int(event.first.microsecondsSince1970),
                "last": .int(event.last.microsecondsSince1970),
                "properties": Self.json(event.properties),
              ] as JSONValue
            )
          })), "attributes": Self.json(attributes),
    ]
  }

  private static func json(_ fields: [String: Field]) -> JSONValue {
    .object(
      JSONObject(
        fields.map { name, field in
          (
            key: name,
            value: [
              "types": .counts(field.types), "first": .int(field.first.microsecondsSince1970),
              "last": .int(field.last.microsecondsSince1970),
            ] as JSONValue
          )
        }))
  }

  /// As `json` wrote it.
  init(json: JSONValue) {
    for (name, event) in json["events"]?.objectValue ?? [:] {
      events[name] = Event(
        count: event["n"]?.intValue ?? 0, flagged: event["flagged"]?.intValue ?? 0,
        first: event.instant("first"), last: event.instant("last"),
        properties: Self.fields(event["properties"]))
    }
    attributes = Self.fields(json["attributes"])
  }

  private static func fields(_ json: JSONValue?) -> [String: Field] {
    var fields: [String: Field] = [:]
    for (name, field) in json?.objectValue ?? [:] {
      fields[name] = Field(
        types: Field.types(field["types"]), first: field.instant("first"),
        last: field.instant("last"))
    }
    return fields
  }
}

extension CatalogueTally.Field {
  static func types(_ json: JSONValue?) -> [String: Int] {
    var types: [String: Int] = [:]
    for (type, count) in json?.objectValue ?? [:] { types[type] = count.intValue ?? 0 }
    return types
  }
}

extension JSONValue {
  fileprivate func instant(_ key: String) -> Date {
    Date(microsecondsSince1970: self[key]?.intValue ?? 0)
  }
}
