import Conditions
import Foundation
import JSON

/// Something that happened to the world, without a user.
public struct Scene: Sendable {
  public let id: UUID
  public let name: String
  public let timestamp: Date
  public let properties: JSONObject

  /// What everybody brings along who enters a plan because of it.
  var values: JSONValue {
    [
      "event": [
        "name": .string(name), "id": .id(id), "at": .instant(timestamp),
        "properties": .object(properties),
      ]
    ]
  }
}

extension SceneTrigger {
  /// Whom a scene concerns; nil when it is another one, or lacks a property that picks people.
  func crowd(of scene: Scene, now: Date, zone: TimeZone) -> Condition? {
    guard scene.name.utf8.elementsEqual(self.scene.utf8),
      filters.allSatisfy({ $0.holds(for: scene.properties, at: now, zone: zone) })
    else { return nil }
    var parts: [Condition] = []
    for match in match {
      guard let value = scene.properties[match.property], value.isScalar else { return nil }
      switch match.place {
      case .attribute(let key):
        parts.append(
          .any([
            .attribute(AttributeCondition(key: key, comparisons: [.eq(value)])),
            // Of several cities, one is enough. Texts are not searched.
            .all([
              .attribute(AttributeCondition(key: key, comparisons: [.contains(value)])),
              .not(.attribute(AttributeCondition(key: key, comparisons: [.gte("")]))),
            ]),
          ]))
      case .tag(let key): parts.append(.tag(TagCondition(key: key, comparisons: [.eq(value)])))
      case .event(let name, let property, let within):
        parts.append(
          .event(
            EventCondition(
              name: name,
              filters: [PropertyCondition(key: property, comparisons: [.eq(value)])],
              within: within.map(Window.rolling))))
      }
    }
    if let segment { parts.append(.segment(key: segment)) }
    return .all(parts)
  }
}

extension JSONValue {
  fileprivate var isScalar: Bool {
    switch self {
    case .string, .number, .bool: true
    case .null, .array, .object: false
    }
  }
}
