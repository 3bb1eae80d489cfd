import Cryptography
import Foundation
import JSON
import Postgres

extension Approvals {
  /// Says something on a submission without deciding; also when it is decided.
  public func comment(
    _ id: UUID, _ text: String, by caller: Caller, now: Date
  ) async throws -> Approval {
    let comment = ApprovalComment(
      id: UUIDv7.next(now: now), principal: caller.principal, text: text, at: now)
    return try await db.write { tx in
      let approval = try ApprovalStore.load(id, in: tx)
      try ApprovalStore.insert(comment, on: id, in: tx)
      try AuditStore.append(
        AuditEntry(
          "plan.commented", "plan", approval.plan,
          after: [
            "approval": .id(id), "version": .int(approval.version), "comment": .string(text),
          ], by: caller, at: now), in: tx)
      return try ApprovalStore.load(id, in: tx)
    }
  }

  /// Reminds of what waits for a decision, and voids what waited too long: the version is a draft
  /// again. Returns what was reminded of, for the log.
  func follow(now: Date) async throws -> [String] {
    for (id, plan) in try await db.read({ try ApprovalStore.overdue(now: now, in: $0) }) {
      try await expire(id, of: plan, now: now)
    }
    let rules = try await settings().approvals
    return try await db.write { tx in
      let due = try ApprovalStore.remind(
        after: rules.remindAfter.map { Double($0.seconds) }, now: now, in: tx)
      for reminder in due {
        try AuditStore.append(
          AuditEntry(
            "plan.approval_reminded", "plan", reminder.plan,
            after: ["approval": .id(reminder.id), "reminders": .int(reminder.count)],
            by: .herald, at: now), in: tx)
      }
      return due.map {
        "plan '\($0.plan)' waits for a decision since \($0.submittedAt.rfc3339): approval "
          + "\($0.id.text), reminder \($0.count)"
      }
    }
  }

  private func expire(_ id: UUID, of key: String, now: Date) async throws {
    try await db.write { tx in
      let plan = try PlanStore.lock(key, in: tx)
      guard try ApprovalStore.expire(id, now: now, in: tx) else { return }
      let approval = try ApprovalStore.load(id, in: tx)
      let version = try PlanStore.version(key, approval.version, in: tx)
      try PlanStore.setState(
        version, PlanLifecycle.after(version.state, .expire), reason: "approval_expired", now: now,
        in: tx)
      try PlanStore.save(
        plan, draft: plan.draftVersion, live: plan.liveVersion, paused: plan.paused, now: now,
        in: tx)
      try AuditStore.append(
        AuditEntry(
          "plan.approval_expired", "plan", key,
          after: ["approval": .id(id), "version": .int(approval.version)], by: .herald, at: now),
        in: tx)
    }
  }
}
