import Foundation
import JSON
import Postgres

extension ApprovalStore {
  /// Adds what was said of them.
  static func complete(_ approvals: [Approval], in db: any Queryable) throws -> [Approval] {
    guard !approvals.isEmpty else { return [] }
    let ids = approvals.map(\.id)
    let decisions = try decisions(of: ids, in: db)
    let comments = try comments(of: ids, in: db)
    return approvals.map { approval in
      var approval = approval
      approval.decisions = decisions[approval.id] ?? []
      approval.comments = comments[approval.id] ?? []
      return approval
    }
  }

  static func insert(
    _ decision: ApprovalDecision, on approval: UUID, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO approval_decisions (approval, n, stage, decision, principal, key_id, comment, at)
      SELECT \(approval), coalesce(max(n), 0) + 1, \(decision.stage)::smallint,
        \(decision.verdict.rawValue), \(decision.principal), \(decision.keyID),
        \(decision.comment), \(decision.at)
      FROM approval_decisions WHERE approval = \(approval)
      """)
  }

  static func insert(
    _ comment: ApprovalComment, on approval: UUID, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO approval_comments (id, approval, principal, text, at)
      VALUES (\(comment.id), \(approval), \(comment.principal), \(comment.text), \(comment.at))
      """)
  }

  /// Pending ones whose time is over, a few at a time.
  static func overdue(now: Date, in db: any Queryable) throws -> [(id: UUID, plan: String)] {
    try db.query(
      """
      SELECT id, plan FROM approvals WHERE state = 'pending' AND expires_at <= \(now)
        AND least(expires_at, remind_at) <= \(now)
      ORDER BY id LIMIT 20
      """
    ).map { (try $0.get("id"), try $0.get("plan")) }
  }

  static func expire(_ id: UUID, now: Date, in tx: Transaction) throws -> Bool {
    try tx.execute(
      """
      UPDATE approvals SET state = 'expired', decided_at = \(now)
      WHERE id = \(id) AND state = 'pending'
      """) == 1
  }

  /// Counts a reminder for each that is due and sets the next one; `after` nil: none.
  static func remind(
    after: Double?, now: Date, in tx: Transaction
  ) throws -> [(id: UUID, plan: String, count: Int, submittedAt: Date)] {
    try tx.query(
      """
      UPDATE approvals a SET reminders = a.reminders + 1,
        remind_at = \(now)::timestamptz + make_interval(secs => \(after)::float8)
      FROM (SELECT id FROM approvals WHERE state = 'pending' AND remind_at <= \(now)
          AND least(expires_at, remind_at) <= \(now)
        ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED) AS due
      WHERE a.id = due.id
      RETURNING a.id, a.plan, a.reminders, a.submitted_at
      """
    ).map {
      (
        try $0.get("id"), try $0.get("plan"), try $0.get("reminders"), try $0.get("submitted_at")
      )
    }
  }

  private static func decisions(
    of ids: [UUID], in db: any Queryable
  ) throws -> [UUID: [ApprovalDecision]] {
    var found: [UUID: [ApprovalDecision]] = [:]
    let rows = try db.query(
      """
      SELECT approval, stage, decision, principal, key_id, comment, at FROM approval_decisions
      WHERE approval = ANY(\(ids)) ORDER BY approval, n
      """)
    for row in rows {
      let verdict = ApprovalDecision.Verdict(rawValue: try row.get("decision")) ?? .rejected
      found[try row.get("approval"), default: []].append(
        ApprovalDecision(
          stage: try row.get("stage"), verdict: verdict, principal: try row.get("principal"),
          keyID: try row.get("key_id"), comment: try row.get("comment"), at: try row.get("at")))
    }
    return found
  }

  private static func comments(
    of ids: [UUID], in db: any Queryable
  ) throws -> [UUID: [ApprovalComment]] {
    var found: [UUID: [ApprovalComment]] = [:]
    let rows = try db.query(
      """
      SELECT approval, id, principal, text, at FROM approval_comments
      WHERE approval = ANY(\(ids)) ORDER BY approval, id
      """)
    for row in rows {
      found[try row.get("approval"), default: []].append(
        ApprovalComment(
          id: try row.get("id"), principal: try row.get("principal"), text: try row.get("text"),
          at: try row.get("at")))
    }
    return found
  }
}
