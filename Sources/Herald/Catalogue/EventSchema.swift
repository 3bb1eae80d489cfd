import Foundation
import JSON

/// What the properties of an event should be, as somebody declared it.
struct EventSchema: Sendable, Equatable {
  /// What happens to events that do not fit.
  enum Mode: String, Sendable, CaseIterable {
    /// Stored; the declaration is documentation.
    case accept
    /// Stored, counted as flagged and listed among the violations.
    case flag
    /// Refused one by one.
    case reject
  }

  enum PropertyType: String, Sendable, CaseIterable {
    case string, number, integer, boolean, array, object, instant

    func fits(_ value: JSONValue) -> Bool {
      switch (self, value) {
      case (.string, .string), (.number, .number), (.boolean, .bool), (.array, .array),
        (.object, .object):
        true
      case (.integer, .number(let number)): number.isInteger
      case (.instant, .string(let text)): Date(rfc3339: text) != nil
      default: false
      }
    }
  }

  struct Property: Sendable, Equatable {
    let type: PropertyType
    /// Null counts as absent.
    let isRequired: Bool

    var json: JSONValue { ["type": .string(type.rawValue), "required": .bool(isRequired)] }
  }

  /// In the order they were declared.
  let properties: [(name: String, property: Property)]
  let mode: Mode

  static func == (left: EventSchema, right: EventSchema) -> Bool {
    left.mode == right.mode && left.json == right.json
  }

  /// What does not fit, at most ten faults with pointers relative to the event. Properties that were
  /// not declared may be anything.
  func faults(of properties: JSONValue) -> [JSONFault] {
    let place = JSONPointer(tokens: ["properties"])
    var faults: [JSONFault] = []
    for (name, property) in self.properties where faults.count < 10 {
      let value = properties[name] ?? .null
      if value.isNull {
        if property.isRequired {
          faults.append(
            JSONFault(
              .required, at: place.appending(name), "This property of the event is required."))
        }
      } else if !property.type.fits(value) {
        faults.append(
          JSONFault(
            .typeMismatch, at: place.appending(name),
            "The property is declared as \(property.type.rawValue); this is \(value.article)."))
      }
    }
    return faults
  }
}

extension EventSchema {
  static let propertyLimit = 200

  init?(_ reader: ObjectReader) {
    let mode = reader.choice("mode", Mode.self) ?? .accept
    guard let declared = reader.object("properties", required: true) else { return nil }
    if declared.object.count > Self.propertyLimit {
      reader.add(
        .tooLong, "properties", "At most \(Self.propertyLimit) properties can be declared.")
    }
    var properties: [(name: String, property: Property)] = []
    for name in declared.object.keys {
      guard AttributeName.isValid(name) else {
        declared.allow(name)
        declared.add(.invalidFormat, name, AttributeName.expectation)
        continue
      }
      guard let property = declared.object(name) else { continue }
      let type = property.choice("type", PropertyType.self, required: true)
      let isRequired = property.bool("required") ?? false
      property.finish()
      if let type {
        properties.append((name, Property(type: type, isRequired: isRequired)))
      }
    }
    self.properties = properties
    self.mode = mode
  }

  /// As `json` wrote it.
  init?(properties json: JSONValue, mode: Mode) {
    guard let object = json.objectValue else { return nil }
    properties = object.members.compactMap { name, property in
      property["type"]?.stringValue.flatMap(PropertyType.init).map {
        (
          name: name,
          property: Property(type: $0, isRequired: property["required"]?.boolValue ?? false)
        )
      }
    }
    self.mode = mode
  }

  var json: JSONValue {
    .object(
      JSONObject(
        properties.map { name, property in
          (
            key: name,
            value: property.json
          )
        }))
  }

  private static let type = Schema.choice(PropertyType.allCases.map(\.rawValue))
  static let request = Schema.object([
    "properties": Schema.map(Schema.object(["type": type, "required?": Schema.bool])),
    "mode?": Schema.choice(Mode.allCases.map(\.rawValue)),
  ])
  static let declared = Schema.object(["type": type, "required": Schema.bool])
}
