import Foundation
import HeraldTesting
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
      shape.pace = form.pick(short: 150, long: 300)
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
          let pause = Int.random(in: 20...form.pick(short: 600, long: 2500), using: &random)
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
        judge(ledger, flights)
        herald.signal(SIGTERM)
        #expect(await herald.end(within: .seconds(30)) == 0, "\(herald.output.suffix(2000))")
      }
    }
  }
}
