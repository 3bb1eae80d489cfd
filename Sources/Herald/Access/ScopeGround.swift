import Conditions
import Postgres

/// What the user scopes of keys are told by: whoever may change it may change whom those keys see. So a
/// key that has a scope itself must not.
enum ScopeGround {
  /// 403 for a key with a user scope when some scope is told by this segment.
  static func refuse(segment key: String, to caller: Caller, in db: any Queryable) throws {
    guard caller.userScope != nil, try names(in: db).segments.contains(key) else { return }
    try caller.mustSeeEverybody("; segment '\(key)' tells whom such keys see. Use another key.")
  }

  /// 403 for a key with a user scope when some scope is told by this tag.
  static func refuse(tag key: String, to caller: Caller, in db: any Queryable) throws {
    guard caller.userScope != nil, try names(in: db).tags.contains(key) else { return }
    try caller.mustSeeEverybody("; tag '\(key)' tells whom such keys see. Use another key.")
  }

  /// Named by scopes, or by what they name.
  private static func names(
    in db: any Queryable
  ) throws -> (segments: Set<String>, tags: Set<String>) {
    var segments: Set<String> = []
    var tags: Set<String> = []
    var conditions = try KeyStore.scopes(in: db)
    while !conditions.isEmpty {
      let named = Condition.all(conditions).referenced
      let newSegments = Set(named.segments).subtracting(segments)
      let newTags = Set(named.tags).subtracting(tags)
      segments.formUnion(newSegments)
      tags.formUnion(newTags)
      let parts =
        try SegmentStore.find(newSegments.sorted(), in: db).map(\.segment.condition)
        + TagStore.find(newTags.sorted(), in: db).values.map(\.tag.rule)
      conditions = try parts.compactMap { try $0.map(Condition.stored) }
    }
    return (segments, tags)
  }
}
