import Conditions
import JSON
import Postgres

extension SegmentStore {
  /// Notes what the condition, parsed at `pointer`, names and the catalogues do not have, and operands
  /// that do not fit what is declared or was seen. To be asked when a condition is saved or tried, not
  /// of stored ones. `owner`: the segment it is for.
  static func check(
    _ condition: Condition, owner: String? = nil, at pointer: JSONPointer, faults: Faults,
    in db: any Queryable
  ) throws {
    try checkNames(condition, owner: owner, at: pointer, faults: faults, in: db)
    try ConditionTypes.check([(pointer, condition)], faults: faults, in: db)
  }

  /// Tags and segments that are unknown or archived.
  static func checkNames(
    _ condition: Condition, owner: String? = nil, at pointer: JSONPointer, faults: Faults,
    in db: any Queryable
  ) throws {
    let references = condition.referenced
    let segments = try names(references.segments, in: db).union(owner.map { [$0] } ?? [])
    let tags = try references.tags.isEmpty ? [:] : TagStore.find(references.tags, in: db)
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
  }

  private static func names(_ keys: [String], in db: any Queryable) throws -> Set<String> {
    guard !keys.isEmpty else { return [] }
    let rows = try db.query(
      "SELECT key FROM segments WHERE key = ANY(\(keys)) AND archived_at IS NULL")
    return Set(try rows.map { try $0.get("key", as: String.self) })
  }
}
