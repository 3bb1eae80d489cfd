import Foundation
import JSON
import Postgres

/// Under which key, and with what name if not the same, a plan is written once more.
struct PlanCopy: Sendable {
  let key: String
  let name: String?
}

extension Plans {
  /// A new plan with the document of the draft, or else of the live version, in the same group.
  /// 409 when the key is taken, by an archived plan too.
  func copy(
    _ key: String, _ copy: PlanCopy, by caller: Caller, now: Date
  ) async throws -> Overview {
    try await db.write { tx in
      let source = try PlanStore.load(key, in: tx)
      guard let number = source.newestVersion else {
        throw HeraldError(.wrongState, "Plan '\(key)' has neither a draft nor a live version.")
      }
      var document = try PlanStore.version(key, number, in: tx).document
      if let name = copy.name, var object = document.objectValue {
        object["name"] = .string(name)
        document = .object(object)
      }
      guard try Self.put(copy.key, document, by: caller, now: now, in: tx).created else {
        throw HeraldError(
          .conflict, "There is a plan '\(copy.key)' already; choose another key.", pointer: "/key")
      }
      try PlanStore.recordAuthors(of: key, upTo: number, on: copy.key, in: tx)
      if let group = source.group {
        try PlanStore.setGroup(copy.key, group, now: now, in: tx)
      }
      try AuditStore.append(
        AuditEntry(
          "plan.copied", "plan", copy.key,
          after: ["from": .string(key), "version": .int(number)], by: caller, at: now), in: tx)
      return try Self.overview(copy.key, in: tx)
    }
  }

  func group(
    _ key: String, _ group: String?, by caller: Caller, now: Date
  ) async throws -> Overview {
    try await db.write { tx in
      let plan = try PlanStore.lock(key, in: tx)
      if plan.group != group {
        try PlanStore.setGroup(key, group, now: now, in: tx)
        try AuditStore.append(
          AuditEntry(
            "plan.grouped", "plan", key, before: ["group": .optional(plan.group)],
            after: ["group": .optional(group)], by: caller, at: now), in: tx)
      }
      return try Self.overview(key, in: tx)
    }
  }

  func groups(_ page: PageRequest) async throws -> Page<PlanGroup> {
    let rows = try await db.read { try PlanStore.groups(page, in: $0) }
    return Page(rows, page) { [$0.key] }
  }
}
