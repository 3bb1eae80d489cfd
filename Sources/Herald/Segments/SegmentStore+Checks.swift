import Conditions
import JSON
import Postgres

extension SegmentStore {
  /// Notes what the condition, parsed at `pointer`, names and the catalogues do not have: tags and
  /// segments that are unknown or archived, and operands that a tag's type can never satisfy. To be
  /// asked when a condition is saved or tried, not of stored ones. `owner`: the segment it is for.
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
    condition.checkTypes(at: pointer, faults: faults) { subject in
      if case .tag(let key) = subject { tags[key] } else { nil }
    }
  }

  private static func names(_ keys: [String], in db: any Queryable) throws -> Set<String> {
    guard !keys.isEmpty else { return [] }
    let rows = try db.query(
      "SELECT key FROM segments WHERE key = ANY(\(keys)) AND archived_at IS NULL")
    return Set(try rows.map { try $0.get("key", as: String.self) })
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
