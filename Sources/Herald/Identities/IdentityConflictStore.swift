import Cryptography
import Foundation
import JSON
import Postgres

/// Two users whose identities came together and who cannot be merged by rule.
struct IdentityConflict: Sendable {
  enum State: String, Sendable, CaseIterable {
    case open, merged
    case keptApart = "kept_apart"
  }

  let id: UUID
  let pair: UserPair
  let state: State
  /// The kind of which the two have different values.
  let kind: String
  /// What came together: `{"external_id": ["u-1"], …}`.
  let identities: JSONValue
  /// How often.
  let seen: Int
  let openedAt: Date
  let lastSeenAt: Date
  let resolvedBy: String?
  let resolvedAt: Date?
  let comment: String?
}

enum IdentityConflictStore {
  /// One open row for each pair; those that are open already count on.
  static func open(
    _ conflicts: [IdentityResolution.Conflict], now: Date, in tx: Transaction
  ) throws {
    guard !conflicts.isEmpty else { return }
    var byPair: [UserPair: IdentityResolution.Conflict] = [:]
    for conflict in conflicts where byPair[conflict.pair] == nil {
      byPair[conflict.pair] = conflict
    }
    let sorted = byPair.values.sorted {
      ($0.pair.one.text, $0.pair.other.text) < ($1.pair.one.text, $1.pair.other.text)
    }
    try tx.execute(
      """
      INSERT INTO identity_conflicts AS c (id, one_id, other_id, state, kind, identities,
        opened_at, last_seen_at)
      SELECT id, one_id, other_id, 'open', kind, identities, \(now), \(now)
      FROM unnest(\(sorted.map { _ in UUIDv7.next(now: now) }), \(sorted.map(\.pair.one)),
        \(sorted.map(\.pair.other)), \(sorted.map(\.kind.key)),
        \(sorted.map { JSONB($0.identitiesJSON) }))
        WITH ORDINALITY AS n (id, one_id, other_id, kind, identities, position)
      ORDER BY position
      ON CONFLICT (one_id, other_id) WHERE state = 'open' DO UPDATE
        SET seen = c.seen + 1, last_seen_at = excluded.last_seen_at
      """)
  }
}

extension IdentityResolution.Conflict {
  fileprivate var identitiesJSON: JSONValue {
    var json = JSONObject()
    for identity in identities {
      let values = json[identity.kind.key]?.arrayValue ?? []
      json[identity.kind.key] = .array(values + [.string(identity.value)])
    }
    return .object(json)
  }
}
