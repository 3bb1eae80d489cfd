import Conditions
import Foundation
import JSON
import Postgres

extension Approvals {
  /// Agrees to exactly the manifest of `hash`. With the last agreement that the stages ask for the
  /// version becomes the live one and is armed for its launch; the one before is superseded for new
  /// entrants. Until then the submission stays pending.
  public func approve(
    _ id: UUID, hash: String, comment: String?, by caller: Caller, now: Date
  ) async throws -> Approval {
    let approval = try await decide(
      id, .approved, hash: hash, comment: comment, by: caller, now: now
    ) { plan, draft, tx in
      _ = try PlanLifecycle.after(draft.state, .approve)
      let document = try PlanDocument.stored(draft.document)
      if let number = plan.liveVersion {
        let live = try PlanStore.version(plan.key, number, in: tx)
        if let state = PlanLifecycle.next(live.state, .supersede) {
          try PlanStore.setState(live, state, now: now, in: tx)
          // What came due while it was live is carried out by it, though nobody has looked yet.
          if live.state == .live, !plan.paused {
            try ScheduleStore.close(plan.key, live.version, now: now, in: tx)
          }
        }
      }
      let launchAt = document.launchAt(approvedAt: now)
      try PlanStore.setState(draft, .approved, launchAt: launchAt, now: now, in: tx)
      try PlanStore.save(plan, draft: nil, live: draft.version, paused: false, now: now, in: tx)
      // Whoever comes right after the approval enters.
      if document.trigger.isStanding, launchAt <= now {
        try StandingPlan.open(draft, document, now: now, in: tx)
      }
      try PlanGuardStore.end(plan.key, by: caller.principal, now: now, in: tx)
      // A pause ends with the approval; what people of earlier versions wait for goes on.
      if plan.paused { try QueueStore.unpark(plan: plan.key, now: now, in: tx) }
    }
    wake.call()
    return approval
  }

  /// Sends it back, at whatever stage; also after having agreed.
  public func reject(
    _ id: UUID, hash: String, comment: String?, by caller: Caller, now: Date
  ) async throws -> Approval {
    try await decide(id, .rejected, hash: hash, comment: comment, by: caller, now: now) {
      _, draft, tx in
      let state = try PlanLifecycle.after(draft.state, .reject)
      try PlanStore.setState(draft, state, reason: comment, now: now, in: tx)
    }
  }

  /// `change`: what a decision does to the plan that nothing else is waited for after.
  private func decide(
    _ id: UUID, _ verdict: ApprovalDecision.Verdict, hash: String, comment: String?,
    by caller: Caller, now: Date,
    _ change: @escaping @Sendable (Plan, PlanVersion, Transaction) throws -> Void
  ) async throws -> Approval {
    try await db.write { tx in
      let key = try ApprovalStore.load(id, in: tx).plan
      let plan = try PlanStore.lock(key, in: tx)
      // Read again: it may have been decided while the lock was waited for.
      let approval = try ApprovalStore.load(id, in: tx)
      try Self.requirePending(approval, now: now)
      try Self.bar(caller, from: approval, in: tx)
      guard hash == approval.hash else {
        throw HeraldError(
          .hashChanged,
          "The hash is not that of what was submitted; read the approval again and decide on that.",
          pointer: "/hash")
      }
      let progress = approval.progress
      let stage = progress.open ?? 0
      if verdict == .approved {
        try Self.requireReach(caller, approval)
        try Self.admit(caller, to: stage, of: approval, in: tx)
      }
      let isFinal = verdict == .rejected || progress.isLastMissing
      try ApprovalStore.insert(
        ApprovalDecision(
          stage: stage, verdict: verdict, principal: caller.principal, keyID: caller.keyID,
          comment: comment, at: now), on: id, in: tx)
      if isFinal {
        try change(plan, try PlanStore.version(key, approval.version, in: tx), tx)
        let state: Approval.State = verdict == .approved ? .approved : .rejected
        try ApprovalStore.decide(id, state, comment: comment, by: caller, now: now, in: tx)
      }
      try AuditStore.append(
        AuditEntry(
          isFinal ? "plan.\(verdict.rawValue)" : "plan.approval_given", "plan", key,
          after: [
            "version": .int(approval.version), "hash": .string(hash), "approval": .id(id),
            "stage": .string(progress.stages[stage].name), "comment": .optional(comment),
          ], by: caller, at: now), in: tx)
      return try ApprovalStore.load(id, in: tx)
    }
  }

  private static func requirePending(_ approval: Approval, now: Date) throws {
    guard approval.state == .pending else {
      throw HeraldError(
        .wrongState, "This approval is \(approval.state.rawValue) already; list the pending ones.")
    }
    if let expiresAt = approval.expiresAt, expiresAt <= now {
      throw HeraldError(
        .wrongState,
        "This submission expired at \(expiresAt.rfc3339); submit the plan again, so that what is "
          + "approved is as it is now.")
    }
  }

  private static func bar(_ caller: Caller, from approval: Approval, in tx: Transaction) throws {
    try caller.mustBeNone(
      of: ApprovalStore.authors(plan: approval.plan, upTo: approval.version, in: tx),
      "Whoever edited or submitted this plan since its last approval cannot decide on it, with "
        + "none of their keys and no key they made; ask another approver.", in: tx)
    try caller.mustBe([.admin, .approver])
  }

  /// A key that sees some people only agrees to what is sent to those: what was submitted by a key of
  /// the same user scope.
  private static func requireReach(_ caller: Caller, _ approval: Approval) throws {
    guard let scope = caller.userScope?.json,
      approval.manifest["user_scope"]?.canonicalBytes != scope.canonicalBytes
    else { return }
    throw HeraldError(
      .forbidden,
      "This key sees a part of the users only, and the plan reaches others; ask an approver who sees "
        + "everybody it reaches.")
  }

  /// Throws unless the caller is one of the open stage and somebody else than all who agreed so far.
  private static func admit(
    _ caller: Caller, to stage: Int, of approval: Approval, in tx: Transaction
  ) throws {
    let agreed = approval.decisions.filter { $0.verdict == .approved }
    guard !agreed.contains(where: { $0.principal == caller.principal }) else {
      throw HeraldError(
        .wrongState,
        "You have agreed to this already; another \(Self.approver(of: stage, approval)) is needed.")
    }
    let makers = try ApprovalStore.makers(of: caller.keyID, in: tx)
    for other in agreed {
      let others = try ApprovalStore.makers(of: other.keyID, in: tx)
      guard
        ApprovalPolicy.areIndependent((caller.principal, makers), (other.principal, others))
      else {
        throw HeraldError(
          .notIndependent,
          "This key and the one that '\(other.principal)' agreed with were made one by the owner of "
            + "the other, which counts as one person; ask another approver.")
      }
    }
    let people = approval.demand.stages[stage].principals
    guard people.isEmpty || people.contains(caller.principal) else {
      throw HeraldError(
        .forbidden,
        "Stage '\(approval.demand.stages[stage].name)' is for \(people.joined(separator: ", ")).")
    }
    let spent = Set(agreed.map(\.principal)).union([caller.principal])
    for later in approval.demand.stages.dropFirst(stage + 1) where !later.principals.isEmpty {
      guard Set(later.principals).subtracting(spent).count < later.approvers else { continue }
      throw HeraldError(
        .wrongState,
        "One person agrees in one stage only, and stage '\(later.name)' could not be filled without "
          + "you; let another approver agree in stage '\(approval.demand.stages[stage].name)'.")
    }
  }

  private static func approver(of stage: Int, _ approval: Approval) -> String {
    "approver for stage '\(approval.demand.stages[stage].name)'"
  }
}

extension Caller {
  /// Throws 403 `self_approval`, with this sentence, for each of these people with every key of
  /// theirs and every key they made.
  func mustBeNone(
    of authors: Set<String>, _ sentence: String, in db: any Queryable
  ) throws {
    let makers = try ApprovalStore.makers(of: keyID, in: db)
    guard !ApprovalPolicy.isBarred(principal: principal, makers: makers, authors: authors) else {
      throw HeraldError(.selfApproval, sentence)
    }
  }
}
