import Conditions
import JSON
import Postgres

extension SegmentStore {
  /// Notes what the condition, parsed at `pointer`, names and the catalogues do not have: tags and
  /// segments that are unknown or archived, and operands that a tag's type, or the declared one of an
  /// event's property, can never satisfy. To be asked when a condition is saved or tried, not of
  /// stored ones. `owner`: the segment it is for.
  static func check(
    _ condition: Condition, owner: String? = nil, at pointer: JSONPointer, faults: Faults,
    in db: any Queryable
  ) throws {
    let references = condition.referenced
    let segments = try names(references.segments, in: db).union(owner.map { [$0] } ?? [])
    let tags = try tagTypes(references.tags, in: db)
    for (leaf, place) in condition.leaves(at: pointer) {
      switch leaf {
      case .segment(let key) where !segments.contains(key):
        faults.add(
          "unknown_segment", at: place.appending("segment"),
          "There is no segment '\(key)'; create it first.")
      case .tag(let test) where tags[test.key] == nil:
        faults.add(
          "unknown_tag", at: place.appending("tag"),
          "There is no tag '\(test.key)'; declare it first.")
      default: break
      }
    }
    let properties = try propertyTypes(references.events, in: db)
    condition.checkTypes(at: pointer, faults: faults) { subject in
      switch subject {
      case .tag(let key): tags[key]
      case .property(let key, let event): properties[event]?[key]
      case .attribute: nil
      }
    }
  }

  private static func names(_ keys: [String], in db: any Queryable) throws -> Set<String> {
    guard !keys.isEmpty else { return [] }
    let rows = try db.query(
      "SELECT key FROM segments WHERE key = ANY(\(keys)) AND archived_at IS NULL")
    return Set(try rows.map { try $0.get("key", as: String.self) })
  }

  /// By event and property, as far as they are declared.
  private static func propertyTypes(
    _ events: [String], in db: any Queryable
  ) throws -> [String: [String: ValueType]] {
    guard !events.isEmpty else { return [:] }
    var types: [String: [String: ValueType]] = [:]
    for row in try db.query(
      """
      SELECT name, properties FROM catalogue_events
      WHERE name = ANY(\(events)) AND properties IS NOT NULL
      """)
    {
      let event: String = try row.get("name")
      for (property, declared) in try row.json("properties").objectValue ?? [:] {
        let type = declared["type"]?.stringValue
        types[event, default: [:]][property] =
          type == "integer" ? .number : type.flatMap(ValueType.init)
      }
    }
    return types
  }

  private static func tagTypes(
    _ keys: [String], in db: any Queryable
  ) throws -> [String: ValueType] {
    guard !keys.isEmpty else { return [:] }
    let rows = try db.query(
      "SELECT key, type FROM tags WHERE key = ANY(\(keys)) AND archived_at IS NULL")
    var types: [String: ValueType] = [:]
    for row in rows {
      types[try row.get("key")] =
        switch try row.get("type", as: String.self) {
        case "flag": .boolean
        case "number": .number
        default: .string
        }
    }
    return types
  }
}
