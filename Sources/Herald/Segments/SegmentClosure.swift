import Conditions
import JSON

/// Everything a condition refers to, frozen: the conditions of the segments it names, directly or
/// through others, and the content versions of the static lists among them. A plan's manifest keeps
/// one, so that later edits of a segment do not change whom an approved plan reaches.
public struct SegmentClosure: Sendable, Equatable {
  public var conditions: [String: Condition]
  /// Key of a static list to its list version.
  public var lists: [String: Int]

  public static let empty = SegmentClosure(conditions: [:], lists: [:])

  public init(conditions: [String: Condition], lists: [String: Int]) {
    self.conditions = conditions
    self.lists = lists
  }

  /// From `json`, as a manifest keeps it.
  public init(json: JSONValue) throws {
    conditions = [:]
    lists = [:]
    for (key, condition) in json["conditions"]?.objectValue ?? [:] {
      conditions[key] = try Condition.stored(condition)
    }
    for (key, version) in json["lists"]?.objectValue ?? [:] {
      guard let version = version.intValue else {
        throw HeraldError(.unexpected, "The list version of segment '\(key)' is no integer.")
      }
      lists[key] = version
    }
  }

  /// Members sorted by key: equal closures give equal bytes.
  public var json: JSONValue {
    var conditions = JSONObject()
    for (key, condition) in self.conditions.sorted(by: { $0.key < $1.key }) {
      conditions[key] = condition.json
    }
    var lists = JSONObject()
    for (key, version) in self.lists.sorted(by: { $0.key < $1.key }) {
      lists[key] = .int(version)
    }
    return ["conditions": .object(conditions), "lists": .object(lists)]
  }

  /// Both together; a key that both have must mean the same, as it does within one snapshot.
  public func merging(_ other: SegmentClosure) -> SegmentClosure {
    SegmentClosure(
      conditions: conditions.merging(other.conditions) { mine, _ in mine },
      lists: lists.merging(other.lists) { mine, _ in mine })
  }
}
