import Foundation
import HeraldTesting
import JSON
import Testing

extension Torture {
  @Suite("Torture: stopping and watching")
  struct Stopping {
    /// Calls that have arrived at the gateway.
    private static func arrived(_ scene: TortureScene) -> Int {
      let log = try? Data(contentsOf: URL(fileURLWithPath: scene.gatewayLog))
      return log?.count { $0 == UInt8(ascii: "\n") } ?? 0
    }

    @Test(
      "with two processes nothing is handed over a second after a pause or a stop was answered",
      arguments: ["plans/stopping/pause", "stop"])
    func stops(_ path: String) async throws {
      var shape = TortureCampaign.Shape()
      shape.recipients = 2000
      shape.pace = 200
      try await TortureScene.run { scene in
        let second = try TortureScene.freePort()
        let programs = [try scene.start(), try scene.start(port: second)]
        try await scene.ready(programs[0])
        try await scene.ready(programs[1], port: second)
        let campaign = try await TortureCampaign.prepare("stopping", shape, in: scene)
        try await campaign.launch()
        try await campaign.begins(scene)
        let answer = try await campaign.operator_.call("POST", "/v1/\(path)")
        let before = Self.arrived(scene)
        let inFlight = answer["in_flight"]?.intValue ?? -1
        try await Task.sleep(for: .seconds(1))
        let then = Self.arrived(scene)
        try await Task.sleep(for: .seconds(2))
        let after = Self.arrived(scene)
        print("  \(path): \(inFlight) said to be out, \(then - before) came, then \(after - then)")
        #expect(inFlight >= 0)
        #expect(then - before <= inFlight)
        #expect(after == then)
        #expect(try await !campaign.isCompleted(scene))
        let onward = path == "stop" ? "start" : "plans/stopping/resume"
        try await campaign.operator_.call("POST", "/v1/\(onward)")
        try await campaign.completes(scene)
        judge(try await TortureLedger(campaign, in: scene), [])
      }
    }

    @Test("those who watch see it run, and do not keep the server from ending")
    func watching() async throws {
      var shape = TortureCampaign.Shape()
      shape.recipients = 1000
      shape.pace = 100
      try await TortureScene.run { scene in
        let server = try scene.start()
        try await scene.ready(server)
        let campaign = try await TortureCampaign.prepare("watched", shape, in: scene)
        try await campaign.launch()
        try await campaign.begins(scene)
        let watch = try scene.programs.start(
          "watch", [TortureScene.binary, "watch", "watched"],
          environment: [
            "HERALD_URL": "http://127.0.0.1:\(scene.port)", "HERALD_KEY": scene.api.key,
          ])
        _ = try await TortureScene.eventually("the watcher sees several states") {
          watch.output.split(separator: "\n").count >= 3 ? true : nil
        }
        let began = ContinuousClock.now
        server.signal(SIGTERM)
        #expect(await server.end(within: .seconds(30)) == 0)
        let took = ContinuousClock.now - began
        print("  ended in \(took) with somebody watching:\n\(watch.output.prefix(400))")
        #expect(took < .seconds(10))
        #expect(watch.status == nil, "\(watch.output)")
        let next = try scene.start()
        try await scene.ready(next)
        try await campaign.completes(scene)
        #expect(await watch.end(within: .seconds(30)) == 0)
        #expect(watch.output.contains("The plan is over."))
      }
    }
  }
}
