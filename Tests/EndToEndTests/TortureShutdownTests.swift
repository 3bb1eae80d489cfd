import Foundation
import HeraldTesting
import Postgres
import Testing

extension Torture {
  @Suite("Torture: the orderly end")
  struct Shutdown {
    let form = TortureForm.current

    @Test("ended by SIGTERM in mid-campaign, it settles what is out and returns the rest")
    func ends() async throws {
      var setting = TortureScene.Setting()
      setting.latency = 250
      // Nobody's lease need run out: everything is returned.
      setting.leaseSeconds = 30
      var shape = TortureCampaign.Shape()
      shape.recipients = form.pick(short: 300, long: 5000)
      shape.pace = form.pick(short: 150, long: 250)
      let ends = form.pick(short: 3, long: 15)
      print("Torture shutdown: HERALD_SEED=\(form.seed), \(ends) ends")
      try await TortureScene.run(setting) { scene in
        var random = TortureRandom(seed: form.seed)
        var herald = try scene.start()
        try await scene.ready(herald)
        let campaign = try await TortureCampaign.prepare("ends", shape, in: scene)
        try await campaign.launch()
        try await campaign.begins(scene)
        for end in 1...ends {
          try await Task.sleep(for: .milliseconds(Int.random(in: 100...800, using: &random)))
          let flight = try await TortureFlight.count(in: scene)
          let began = ContinuousClock.now
          herald.signal(SIGTERM)
          let status = await herald.end(within: .seconds(30))
          print(
            "  end \(end): in flight \(flight), exit \(status.map(String.init) ?? "none") after "
              + "\(ContinuousClock.now - began)")
          #expect(status == 0, "\(herald.output.suffix(2000))")
          let left = try await TortureFlight.count(in: scene)
          #expect(left.idempotent + left.once == 0, "left in flight: \(left)")
          let leased = try await scene.look { db in
            try db.one("SELECT count(*) FROM queue WHERE lease IS NOT NULL")?.get(0, as: Int.self)
          }
          #expect(leased == 0, "rows are still leased")
          herald = try scene.start()
          try await scene.ready(herald)
        }
        try await campaign.completes(scene, within: .seconds(300))
        judge(try await TortureLedger(campaign, in: scene), [])
      }
    }
  }
}
