import Foundation
import Postgres

/// Counts by arm of an experiment. Deliveries whose month retention has dropped are not among them:
/// their arms were not sealed.
extension AccountingStore {
  /// Versions that have an experiment.
  static func experimenting(_ plan: String, in db: any Queryable) throws -> Set<Int> {
    Set(
      try db.query(
        "SELECT version FROM plan_versions WHERE plan = \(plan) AND document ? 'experiment'"
      ).map { try $0.get(0) })
  }

  static func people(
    byArmOf runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [(arm: String, row: People)] {
    try db.query(
      SQL(
        """
        SELECT e.run_id, e.arm, e.state, e.reason, count(*) AS n FROM enrolments e
        WHERE e.run_id = ANY(\(runs)) AND e.arm IS NOT NULL AND \(scope.admits("e"))
        GROUP BY e.run_id, e.arm, e.state, e.reason
        """
      ).unprepared()
    ).map {
      (
        try $0.get("arm"),
        People(
          run: try $0.get("run_id"), state: try $0.get("state"), reason: try $0.get("reason"),
          count: try $0.get("n"))
      )
    }
  }

  static func deliveries(
    byArmOf runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [(arm: String, row: Deliveries)] {
    try db.query(
      SQL(
        """
        SELECT d.run_id, e.arm, d.step_id, d.status, CASE WHEN d.status = 'skipped' THEN d.reason END
          AS code, count(*) AS n
        FROM deliveries d JOIN enrolments e ON e.user_id = d.user_id AND e.run_id = d.run_id
          AND e.entry_key = d.entry_key
        WHERE d.run_id = ANY(\(runs)) AND e.arm IS NOT NULL AND \(scope.admits("d"))
        GROUP BY 1, 2, 3, 4, 5
        """
      ).unprepared()
    ).map {
      (
        try $0.get("arm"),
        Deliveries(
          run: try $0.get("run_id"), step: try $0.get("step_id"),
          status: DeliveryStatus(rawValue: try $0.get("status")), code: try $0.get("code"),
          count: try $0.get("n"))
      )
    }
  }
}
