import Foundation
import JSON

/// Two users found to be one person, as it is on record.
struct UserMerge: Sendable {
  enum State: String, Sendable, CaseIterable {
    /// Events are still on their way; both ids are read.
    case moving
    case merged
    /// Undone; events are still on their way back.
    case undoing
    case undone

    var stands: Bool { self == .moving || self == .merged }
  }

  enum Reason: String, Sendable, CaseIterable {
    /// Their identities came together.
    case identity
    case request
    /// A person settled a conflict.
    case conflict
  }

  let id: UUID
  let survivor: UUID
  let merged: UUID
  let state: State
  let reason: Reason
  let mergedBy: String
  let mergedAt: Date
  let undoneBy: String?
  let undoneAt: Date?
  let movedEvents: Int
  /// Groups of holdouts and experiments in which the two were apart.
  let flippedArms: [FlippedArm]

  /// The person goes on in `kept`; what `merged` had been through was in another group.
  struct FlippedArm: Sendable {
    let scope: String
    let merged: String
    let kept: String

    var json: JSONValue {
      ["scope": .string(scope), "merged": .string(merged), "kept": .string(kept)]
    }

    static let schema = Schema.object([
      "scope": Schema.string, "merged": Schema.string, "kept": Schema.string,
    ])
  }

  var json: JSONValue {
    [
      "id": .id(id), "survivor": .id(survivor), "merged": .id(merged),
      "state": .string(state.rawValue), "reason": .string(reason.rawValue),
      "merged_by": .string(mergedBy), "merged_at": .instant(mergedAt),
      "undone_by": .optional(undoneBy), "undone_at": .instant(undoneAt),
      "moved_events": .int(movedEvents), "flipped_arms": .array(flippedArms.map(\.json)),
    ]
  }

  /// The users that leave when one is cut off: all that were merged into it, directly or not.
  /// `survivors`: merged to survivor, of the merges that stand.
  static func branch(of merged: UUID, survivors: [UUID: UUID]) -> Set<UUID> {
    var branch: Set<UUID> = [merged]
    var grows = true
    while grows {
      let more = survivors.filter { branch.contains($1) && !branch.contains($0) }.keys
      grows = !more.isEmpty
      branch.formUnion(more)
    }
    return branch
  }
}
