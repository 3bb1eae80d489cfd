import Postgres

enum PlanPaceStore {
  static func load(_ plan: String, in db: any Queryable) throws -> PlanPace {
    let row = try db.one(
      """
      SELECT p.pace_per_second, (v.document #>> '{limits,per_minute}')::bigint AS approved
      FROM plans p LEFT JOIN plan_versions v ON v.plan = p.key
        AND v.version = coalesce(p.live_version, p.draft_version)
      WHERE p.key = \(plan)
      """)
    guard let row else { throw HeraldError.notFound("plan", plan) }
    return PlanPace(
      approvedPerMinute: try row.get("approved"), setPerSecond: try row.get("pace_per_second"))
  }

  static func save(_ pace: Double?, of plan: String, in tx: Transaction) throws {
    try tx.execute("UPDATE plans SET pace_per_second = \(pace) WHERE key = \(plan)")
  }
}
