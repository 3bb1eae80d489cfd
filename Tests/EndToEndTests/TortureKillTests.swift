import Foundation
import Glibc
import HeraldTesting
import Postgres
import Testing

extension Torture {
  @Suite("Torture: kills of Herald")
  struct Kills {
    let form = TortureForm.current

    @Test("killed at random moments, a campaign loses nobody and repeats nothing it may not")
    func kills() async throws {
      let kills = form.pick(short: 10, long: 50)
      var shape = TortureCampaign.Shape()
      shape.recipients = form.pick(short: 1000, long: 20_000)
      shape.pace = form.pick(short: 110, long: 300)
      print("Torture kills: HERALD_SEED=\(form.seed), \(shape.recipients) people, \(kills) kills")
      try await TortureScene.run { scene in
        var random = TortureRandom(seed: form.seed)
        var born = try await scene.instant()
        var herald = try scene.start()
        try await scene.ready(herald)
        let campaign = try await TortureCampaign.prepare("kills", shape, in: scene)
        try await campaign.launch()
        try await campaign.begins(scene)
        var flights: [TortureFlight] = []
        let began = ContinuousClock.now
        while flights.count < kills, try await !campaign.isCompleted(scene) {
          let pause = Int.random(in: 20...form.pick(short: 900, long: 2500), using: &random)
          try await Task.sleep(for: .milliseconds(pause))
          let flight = try await TortureFlight.kill(herald, born: born, in: scene)
          flights.append(flight)
          let settled = try await campaign.settled(scene)
          print(
            "  kill \(flights.count) after \(pause) ms: in flight \(flight), \(settled) settled")
          born = try await scene.instant()
          herald = try scene.start()
          if Bool.random(using: &random) { try await scene.ready(herald) }
        }
        try await scene.ready(herald)
        #expect(flights.count == kills, "the run was over too early for all kills")
        try await campaign.completes(scene, within: .seconds(600))
        print("  completed \(ContinuousClock.now - began) after the first kill was due")
        let ledger = try await TortureLedger(campaign, in: scene)
        try judge(ledger, flights)
        herald.signal(SIGTERM)
        #expect(await herald.end(within: .seconds(30)) == 0, "\(herald.output.suffix(2000))")
      }
    }
  }
}

/// What was handed over and not settled when Herald died.
struct TortureFlight: CustomStringConvertible {
  let idempotent: Int
  let once: Int

  var description: String { "\(idempotent) idempotent + \(once) once" }

  /// Kills, and counts what the dead process left.
  /// - Parameter born: when it was started; what its forebears left is not counted again.
  static func kill(
    _ herald: Program, born: Date, in scene: TortureScene
  ) async throws -> TortureFlight {
    herald.signal(SIGKILL)
    _ = await herald.end(within: .seconds(10))
    // A COMMIT that was on its way is still carried out.
    _ = try await TortureScene.eventually("the dead process's sessions end") {
      try await scene.pool.read { db in
        try db.one(
          """
          SELECT 1 FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'herald'
          """) == nil ? true : nil
      }
    }
    let rows = try await scene.pool.read { db in
      try db.query(
        """
        SELECT sender, count(*) AS n FROM queue
        WHERE handed_over_at >= \(born)
        GROUP BY sender
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
    try await pool.read { db in
      try db.one("SELECT clock_timestamp()")?.get(0, as: Date.self) ?? Date()
    }
  }
}

/// The promises that hold after kills of any kind.
func judge(
  _ ledger: TortureLedger, _ flights: [TortureFlight],
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let idempotent = flights.reduce(0) { $0 + $1.idempotent }
  let once = flights.reduce(0) { $0 + $1.once }
  let unknown = ledger.count("unknown", "interrupted")
  print("  \(ledger.summary)")
  print(
    "  \(ledger.targeted) targeted, \(ledger.calls.count) calls; repeats \(ledger.repeats) of at "
      + "most \(idempotent) in flight; unknown \(unknown) of at most \(once) in flight")
  for fault in ledger.faults.prefix(20) { print("  FAULT: \(fault)") }
  #expect(
    ledger.faults.count == 0,
    "\(ledger.faults.count) faults, the first: \(ledger.faults.first ?? "")",
    sourceLocation: sourceLocation)
  #expect(ledger.repeats <= idempotent, sourceLocation: sourceLocation)
  #expect(unknown <= once, sourceLocation: sourceLocation)
  #expect(ledger.count("failed", "set_aside") == 0, sourceLocation: sourceLocation)
}
