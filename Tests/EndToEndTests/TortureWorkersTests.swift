import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Testing

extension Torture {
  @Suite("Torture: several processes")
  struct Workers {
    let form = TortureForm.current

    @Test(
      "of three workers one is killed at random again and again, and the others carry on",
      .enabled(if: TortureForm.current.isLong, "only in `make torture`"))
    func kills() async throws {
      var shape = TortureCampaign.Shape()
      shape.recipients = 20_000
      shape.pace = 200
      let kills = 50
      print("Torture workers: HERALD_SEED=\(form.seed), 3 workers, \(kills) kills")
      try await TortureScene.run { scene in
        var random = TortureRandom(seed: form.seed)
        let small = ["HERALD_POOL_SIZE": "8"]
        let server = try scene.start("api", environment: small)
        try await scene.ready(server)
        var workers = try (0..<3).map { _ in try scene.start("worker", environment: small) }
        let campaign = try await TortureCampaign.prepare("workers", shape, in: scene)
        try await campaign.launch()
        try await campaign.begins(scene)
        var flights: [TortureFlight] = []
        while flights.count < kills, try await !campaign.isCompleted(scene) {
          try await Task.sleep(for: .milliseconds(Int.random(in: 200...2000, using: &random)))
          let index = Int.random(in: 0..<3, using: &random)
          workers[index].signal(SIGKILL)
          _ = await workers[index].end(within: .seconds(10))
          // Those of the living are among them, which makes the bound wider than it need be.
          let flight = try await TortureFlight.count(in: scene)
          flights.append(flight)
          print("  kill \(flights.count) of worker \(index): in flight \(flight) of all")
          workers[index] = try scene.start("worker", environment: small)
        }
        #expect(flights.count == kills, "the run was over too early for all kills")
        try await campaign.completes(scene, within: .seconds(600))
        judge(try await TortureLedger(campaign, in: scene), flights)
        for program in workers + [server] {
          #expect(program.status == nil)
          program.signal(SIGTERM)
          #expect(await program.end(within: .seconds(30)) == 0)
        }
      }
    }

    @Test("a worker that stood still for two leases is refused when it settles late")
    func stops() async throws {
      var setting = TortureScene.Setting()
      setting.leaseSeconds = form.pick(short: 1, long: 5)
      setting.latency = 300
      var shape = TortureCampaign.Shape()
      shape.recipients = form.pick(short: 300, long: 5000)
      shape.pace = 100
      let stops = form.pick(short: 1, long: 5)
      print(
        "Torture leases: HERALD_SEED=\(form.seed), \(stops) stops of \(setting.leaseSeconds) s leases"
      )
      try await TortureScene.run(setting) { scene in
        let server = try scene.start("api")
        try await scene.ready(server)
        let campaign = try await TortureCampaign.prepare("stops", shape, in: scene)
        let still = try scene.start("worker")
        try await campaign.launch()
        try await campaign.begins(scene)
        var flights: [TortureFlight] = []
        for stop in 1...stops {
          let refused = Self.refused(still.output)
          // Stopped where messages are out: else there is nothing to settle late. Not within a
          // transaction: its locks keep the rows from others, and it may well commit.
          let (flight, leases) = try await TortureScene.eventually("it stands still in mid-flight")
          {
            still.signal(SIGSTOP)
            let flight = try await TortureFlight.count(in: scene)
            let leases = try await TortureFlight.arrived(in: scene)
            if !leases.isEmpty { return (flight, leases) }
            still.signal(SIGCONT)
            try await Task.sleep(for: .milliseconds(30))
            return nil as (TortureFlight, [UUID])?
          }
          flights.append(flight)
          let other = try scene.start("worker")
          try await Task.sleep(for: .seconds(Double(setting.leaseSeconds) * 2))
          _ = try await TortureScene.eventually("the other takes over") {
            try await TortureFlight.isTakenOver(leases, in: scene) ? true : nil
          }
          still.signal(SIGCONT)
          print("  stop \(stop): in flight \(flight)")
          _ = try await TortureScene.eventually("the late settling is refused") {
            Self.refused(still.output) > refused ? true : nil
          }
          other.signal(SIGTERM)
          #expect(await other.end(within: .seconds(30)) == 0)
        }
        try await campaign.completes(scene, within: .seconds(300))
        print("  \(Self.refused(still.output)) late outcomes were refused")
        judge(try await TortureLedger(campaign, in: scene), flights)
        still.signal(SIGTERM)
        #expect(await still.end(within: .seconds(30)) == 0)
      }
    }

    /// Deliveries whose settlement the log calls refused. All processes share the log.
    private static func refused(_ output: String) -> Int {
      output.split(separator: "\n").filter { $0.contains("settlement refused") }.reduce(0) {
        sum, line in
        let json = try? JSONScanner.parse(Array(line.utf8))
        return sum + (json?["deliveries"]?.stringValue.flatMap { Int($0) } ?? 0)
      }
    }

    @Test("approved twice on two processes at once, a plan runs once and calls everybody once")
    func doubleLaunch() async throws {
      let plans = form.pick(short: 2, long: 20)
      var setting = TortureScene.Setting()
      setting.latency = 0
      setting.failRate = 0
      setting.retryRate = 0
      print("Torture double launch: \(plans) plans")
      try await TortureScene.run(setting) { scene in
        let second = try TortureScene.freePort()
        let programs = [try scene.start(), try scene.start(port: second)]
        try await scene.ready(programs[0])
        try await scene.ready(programs[1], port: second)
        for number in 1...plans {
          var shape = TortureCampaign.Shape()
          shape.recipients = 200
          let campaign = try await TortureCampaign.prepare("double-\(number)", shape, in: scene)
          let approval = try await campaign.submit()
          let elsewhere = APIClient(
            base: "http://127.0.0.1:\(second)", key: campaign.approver.key)
          let answers = await withTaskGroup(of: Int.self) { group in
            for client in [campaign.approver, elsewhere, campaign.approver, elsewhere] {
              group.addTask {
                let outcome = await client.send("POST", approval.path, approval.body)
                guard case .response(let response) = outcome else { return 0 }
                return response.status
              }
            }
            return await group.reduce(into: [Int]()) { $0.append($1) }.sorted()
          }
          #expect(answers.filter { $0 == 200 }.count >= 1)
          #expect(answers.allSatisfy { $0 == 200 || $0 == 409 }, "\(answers)")
          try await campaign.completes(scene)
          judge(try await TortureLedger(campaign, in: scene), [])
        }
      }
    }

    @Test("many clients with one Idempotency-Key at once have one effect")
    func idempotencyKeys() async throws {
      let clients = form.pick(short: 100, long: 1000)
      try await TortureScene.run { scene in
        let second = try TortureScene.freePort()
        let programs = [try scene.start("api"), try scene.start("api", port: second)]
        try await scene.ready(programs[0])
        try await scene.ready(programs[1], port: second)
        let elsewhere = APIClient(base: "http://127.0.0.1:\(second)", key: scene.api.key)
        let body: JSONValue = ["name": "once", "role": "analyst", "principal": "mei"]
        let answers = await withTaskGroup(of: (Int, [UInt8]).self) { group in
          for number in 0..<clients {
            let client = number.isMultiple(of: 2) ? scene.api : elsewhere
            group.addTask {
              let outcome = await client.send(
                "POST", "/v1/keys", body, headers: [("Idempotency-Key", "one")])
              guard case .response(let response) = outcome else { return (0, []) }
              return (response.status, response.body)
            }
          }
          return await group.reduce(into: []) { $0.append($1) }
        }
        let good = answers.filter { 200..<300 ~= $0.0 }
        let keys = try await scene.look { db in
          try db.one("SELECT count(*) FROM api_keys WHERE name = 'once'")?.get(0, as: Int.self)
        }
        print(
          "Torture idempotency: \(clients) clients, \(good.count) answered alike, "
            + "\(answers.count { $0.0 == 409 }) told to wait, \(keys ?? 0) effect")
        #expect(keys == 1)
        #expect(Set(good.map(\.1)).count == 1)
        #expect(answers.allSatisfy { 200..<300 ~= $0.0 || $0.0 == 409 })
      }
    }
  }
}
