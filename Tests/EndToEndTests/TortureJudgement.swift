import Foundation
import HeraldTesting
import Postgres
import Testing

/// What was handed over and not settled at a moment: W, the in-flight window.
struct TortureFlight: CustomStringConvertible {
  let idempotent: Int
  let once: Int

  var description: String { "\(idempotent) idempotent + \(once) once" }

  /// Kills the only process, and counts what it left.
  /// - Parameter born: when it was started; what its forebears left is not counted again.
  static func kill(
    _ herald: Program, born: Date, in scene: TortureScene
  ) async throws -> TortureFlight {
    herald.signal(SIGKILL)
    _ = await herald.end(within: .seconds(10))
    // A COMMIT that was on its way is still carried out.
    _ = try await TortureScene.eventually("the dead process's sessions end") {
      try await scene.look { db in
        try db.one(
          """
          SELECT 1 FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'herald'
          """) == nil ? true : nil
      }
    }
    return try await count(since: born, in: scene)
  }

  /// Leases under which something is in flight that has arrived at the gateway; none while
  /// somebody is in the middle of a transaction.
  static func arrived(in scene: TortureScene) async throws -> [UUID] {
    let rows = try await scene.look { db in
      try db.query(
        """
        SELECT delivery_id::text, lease FROM queue
        WHERE handed_over_at IS NOT NULL AND lease IS NOT NULL AND tries = 0 AND NOT EXISTS (
          SELECT FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'herald' AND xact_start IS NOT NULL)
        """
      ).map { (try $0.get(0, as: String.self), try $0.get(1, as: UUID.self)) }
    }
    guard !rows.isEmpty else { return [] }
    let log = try String(contentsOfFile: scene.gatewayLog, encoding: .utf8)
    let recent = log.split(separator: "\n").suffix(500).joined()
    return Array(Set(rows.filter { recent.contains($0.0) }.map(\.1)))
  }

  /// Whether what was in flight under one of these leases is somebody else's by now. An expired
  /// lease that nobody has taken over is as good as before.
  static func isTakenOver(_ leases: [UUID], in scene: TortureScene) async throws -> Bool {
    let left = try await scene.look { db in
      try db.one("SELECT count(DISTINCT lease) FROM queue WHERE lease = ANY(\(leases))")?
        .get(0, as: Int.self) ?? 0
    }
    return left < leases.count
  }

  /// Of all processes together.
  static func count(
    since: Date = .distantPast, in scene: TortureScene
  ) async throws -> TortureFlight {
    let rows = try await scene.look { db in
      try db.query(
        """
        SELECT sender, count(*) AS n FROM queue WHERE handed_over_at >= \(since) GROUP BY sender
        """
      ).map { (try $0.get(0, as: String?.self), try $0.get(1, as: Int.self)) }
    }
    let counts = Dictionary(rows.map { ($0.0 ?? "", $0.1) }, uniquingKeysWith: +)
    return TortureFlight(
      idempotent: counts[TortureCampaign.idempotentSender] ?? 0,
      once: counts[TortureCampaign.onceSender] ?? 0)
  }
}

extension TortureScene {
  /// By the database's clock.
  func instant() async throws -> Date {
    try await look { db in
      try db.one("SELECT clock_timestamp()")?.get(0, as: Date.self) ?? Date()
    }
  }
}

/// The promises that hold after kills of any kind: `flights` is what was in flight at each. Prints
/// the figures.
func judge(
  _ ledger: TortureLedger, _ flights: [TortureFlight],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let idempotent = flights.reduce(0) { $0 + $1.idempotent }
  let once = flights.reduce(0) { $0 + $1.once }
  let unknown = ledger.count("unknown", "interrupted")
  let hits = flights.count { $0.idempotent + $0.once > 0 }
  if !flights.isEmpty { print("  something was in flight at \(hits) of \(flights.count) of them") }
  print("  \(ledger.summary)")
  print(
    """
      \(ledger.targeted) targeted, \(ledger.calls.count) calls; repeats \(ledger.repeats) of at most \
    \(idempotent) in flight; unknown \(unknown) of at most \(once) in flight
    """)
  for fault in ledger.faults.prefix(20) { print("  FAULT: \(fault)") }
  // Kills that hit nothing show nothing.
  #expect(hits * 2 >= flights.count, sourceLocation: sourceLocation)
  let count = ledger.faults.count
  #expect(count == 0, "the first: \(ledger.faults.first ?? "")", sourceLocation: sourceLocation)
  #expect(ledger.repeats <= idempotent, sourceLocation: sourceLocation)
  #expect(unknown <= once, sourceLocation: sourceLocation)
  // A row that three workers died over is set aside by name, before it was handed over (failed) or
  // while it was out (unknown); one that three kills in a row happened to hit cannot be told from it.
  let blamed = ledger.count("failed", "set_aside") + ledger.count("unknown", "set_aside")
  if blamed > 0 { print("  \(blamed) set aside after three kills over them") }
  #expect(blamed <= flights.count / 5, sourceLocation: sourceLocation)
}
