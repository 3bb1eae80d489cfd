import Foundation
import Logging
import Postgres

/// The small regular work: audit seals every second, partitions ahead, old keys forgotten, rule
/// tags. Any number of processes may do it beside each other.
struct Housekeeper: Sendable {
  let db: Database
  let audits: Audits
  let idempotency: Idempotency
  let segments: Segments
  let now: @Sendable () -> Date
  let logger: Logger

  /// Months made ahead, the current one included.
  private static let monthsAhead = 3

  func run() async {
    var turn = 0
    while !Task.isCancelled {
      await attempt("audit seal") { try await audits.seal() }
      if turn % 3600 == 0 {
        await attempt("partitions") { try await makePartitions() }
        await attempt("idempotency keys") { try await idempotency.prune(now: now()) }
      }
      if turn % 60 == 30 {
        await attempt("rule tags") { try await segments.refreshRuleTags(now: now()) }
      }
      turn += 1
      try? await Task.sleep(for: .seconds(1))
    }
  }

  /// This month and the next ones of every table that has months.
  func makePartitions() async throws {
    let now = now()
    try await db.pool.write(timeout: .seconds(600)) { tx in
      for table in ["events", "deliveries", "attempts", "receipts", "step_visits"] {
        for month in 0..<Self.monthsAhead {
          try tx.execute(
            """
            SELECT herald_make_partition(\(table),
              ((\(now)::timestamptz AT TIME ZONE 'UTC') + make_interval(months => \(Int32(month))))::date)
            """)
        }
      }
    }
  }

  private func attempt(_ name: String, _ body: () async throws -> some Any) async {
    do {
      _ = try await body()
    } catch let error as PostgresError where error.isUnavailable {
      // Said by readiness; not worth a line a second.
    } catch is CancellationError {
    } catch {
      logger.error("\(name) failed; trying again", metadata: ["error": "\(error)"])
    }
  }
}
