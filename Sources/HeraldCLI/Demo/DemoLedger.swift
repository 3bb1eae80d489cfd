import Foundation
import JSON
import Postgres

/// What Herald's tables say of a plan's deliveries.
struct DemoLedger: Sendable {
  let pool: Pool

  struct Delivery: Sendable {
    let id: UUID
    let user: UUID
    let step: String
    let status: String
    let channel: String?
    /// Of the coupon this person was issued by the plan.
    let code: String?
  }

  /// One hand-over to the gateway, in the order of the tries.
  struct Attempt: Sendable {
    let delivery: UUID
    let channel: String
    let status: String
  }

  func deliveries(of plan: String) async throws -> [Delivery] {
    try await pool.read { session in
      try session.query(
        """
        SELECT d.id, d.user_id, d.step_id, d.status, d.channel,
          (SELECT i.code FROM coupon_issues i WHERE i.user_id = d.user_id AND i.plan = d.plan) AS code
        FROM deliveries d WHERE d.plan = \(plan)
        """
      ).map { row in
        Delivery(
          id: try row.get("id"), user: try row.get("user_id"), step: try row.get("step_id"),
          status: try row.get("status"),
          channel: try row.get("channel"), code: try row.get("code"))
      }
    }
  }

  /// Coupons are Herald's own and go to no gateway; links that were passed over were not tried.
  func attempts(of plan: String) async throws -> [Attempt] {
    try await pool.read { session in
      try session.query(
        """
        SELECT a.delivery_id, a.channel, a.status FROM attempts a
        JOIN deliveries d ON d.id = a.delivery_id AND d.user_id = a.user_id
        WHERE d.plan = \(plan) AND a.channel <> 'coupon' AND a.status <> 'skipped'
        ORDER BY a.delivery_id, a.link, a.try
        """
      ).map { row in
        Attempt(
          delivery: try row.get("delivery_id"), channel: try row.get("channel"),
          status: try row.get("status"))
      }
    }
  }
}
