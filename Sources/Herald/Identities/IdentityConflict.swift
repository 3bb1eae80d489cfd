import Foundation
import JSON

/// Two users whose identities came together and who cannot be merged by rule.
struct IdentityConflict: Sendable {
  enum State: String, Sendable, CaseIterable {
    case open, merged
    case keptApart = "kept_apart"
  }

  /// What a person makes of it.
  enum Decision: String, Sendable, CaseIterable {
    /// They are one person.
    case merge
    /// They are two; what came together is not asked about again.
    case keepApart = "keep_apart"
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
  /// Groups of holdouts and experiments in which the two are apart: a merge would flip one of them.
  var differingArms: [ArmDifference] = []

  func json(masked: Bool) -> JSONValue {
    [
      "id": .id(id), "users": [.id(pair.one), .id(pair.other)], "state": .string(state.rawValue),
      "kind": .string(kind),
      "identities": masked ? UserMask.masked(identities, isPersonal: true) : identities,
      "seen": .int(seen), "opened_at": .instant(openedAt), "last_seen_at": .instant(lastSeenAt),
      "resolved_by": .optional(resolvedBy), "resolved_at": .instant(resolvedAt),
      "comment": .optional(comment),
      "differing_arms": .array(
        differingArms.map {
          ["scope": .string($0.scope), "arms": [.string($0.one), .string($0.other)]]
        }),
    ]
  }

  static let schema = Schema.object([
    "id": Schema.uuid, "users": Schema.array(Schema.uuid),
    "state": Schema.choice(State.allCases.map(\.rawValue)), "kind": Schema.string,
    "identities": Schema.map(Schema.array(Schema.string)), "seen": Schema.count,
    "opened_at": Schema.instant, "last_seen_at": Schema.instant,
    "resolved_by": Schema.nullable(Schema.string), "resolved_at": Schema.nullable(Schema.instant),
    "comment": Schema.nullable(Schema.string),
    "differing_arms": Schema.array(
      Schema.object(["scope": Schema.string, "arms": Schema.array(Schema.string)])),
  ])
}
