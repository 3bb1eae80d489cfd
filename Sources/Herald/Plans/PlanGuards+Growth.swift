import JSON
import Postgres

extension PlanGuards {
  /// Why a crowd of this size may not go by the agreement there is: the rules ask for approvers who
  /// they would not have asked for at the size that was approved. Rules made or changed since count for
  /// later submissions only. Nil when it may go.
  static func unapproved(
    _ plan: ApprovedPlan, people: Int, rules: [ApprovalRule], in db: any Queryable
  ) throws -> PlanPause? {
    guard !rules.isEmpty,
      let approved = try PlanGuardStore.approvedPeople(plan.key, plan.version, in: db),
      people > approved,
      let given = try ApprovalStore.demand(plan.key, plan.version, in: db)
    else { return nil }
    let stock = try CouponStore.stock(of: plan.document.coupons, in: db)
    func demand(_ people: Int) throws -> ApprovalDemand {
      ApprovalDemand(
        try ApprovalMeasure(people: people, stock: stock, plan.manifest, plan.document),
        rules: rules)
    }
    let missing = try demand(people).stages(beyond: [given, demand(approved)])
    guard !missing.isEmpty else { return nil }
    let stages = missing.map { "'\($0.name)' with \($0.approvers)" }.joined(separator: ", ")
    return PlanPause(
      reason: .audienceGrowth,
      detail:
        "\(people) people are there for what was approved for \(approved), and that many need the "
        + "approvers of stage \(stages)",
      values: ["people": .int(people), "approved": .int(approved)])
  }

  /// What has to be right before somebody lets a plan go on that Herald paused: a crowd that outgrew
  /// its approval needs somebody who may approve it, who agrees to its size with that; one that needs
  /// other approvers at that size is submitted anew.
  static func admitResumption(
    _ plan: Plan, _ version: PlanVersion, by caller: Caller, in tx: Transaction
  ) throws {
    guard let stored = try PlanGuardStore.find(plan.key, in: tx),
      stored.pause.reason == .audienceGrowth
    else { return }
    try caller.mustBeNone(
      of: ApprovalStore.authors(plan: plan.key, upTo: version.version, in: tx),
      "Herald paused this plan because \(stored.pause.detail). Going on is approving that size: "
        + "somebody who may approve the plan resumes it.", in: tx)
    try caller.mustBe([.admin, .approver])
    guard let people = stored.pause.values["people"]?.intValue else { return }
    let rules = try SettingsStore.load(in: tx).settings.approvals.rules
    if let pause = try unapproved(ApprovedPlan(version), people: people, rules: rules, in: tx) {
      throw HeraldError(
        .wrongState,
        "Herald paused this plan because \(pause.detail). PUT its document again and submit it.")
    }
    try PlanGuardStore.accept(people, plan.key, version.version, in: tx)
  }

  /// Whether the paused plan stands still until it is submitted anew or resumed by an approver.
  static func isOutgrown(_ plan: String, in db: any Queryable) throws -> Bool {
    try PlanGuardStore.find(plan, in: db)?.pause.reason == .audienceGrowth
  }
}
