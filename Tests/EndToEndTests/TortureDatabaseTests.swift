import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Synchronization
import Testing

extension Torture {
  @Suite("Torture: a database that fails")
  struct Databases {
    let form = TortureForm.current

    @Test("while PostgreSQL crashes and comes back, nothing is lost, repeated or wrongly answered")
    func crashes() async throws {
      let crashes = form.pick(short: 3, long: 10)
      var shape = TortureCampaign.Shape()
      shape.recipients = form.pick(short: 600, long: 20_000)
      shape.pace = form.pick(short: 150, long: 300)
      print("Torture database: HERALD_SEED=\(form.seed), \(crashes) crashes of PostgreSQL")
      try await TortureScene.run { scene in
        var random = TortureRandom(seed: form.seed)
        let herald = try scene.start()
        try await scene.ready(herald)
        let campaign = try await TortureCampaign.prepare("crashes", shape, in: scene)
        try await campaign.launch()
        try await campaign.begins(scene)
        let client = TortureClient(scene.api)
        let asking = Task { await client.ask() }
        for crash in 1...crashes {
          try await Task.sleep(
            for: .milliseconds(
              Int.random(in: 100...form.pick(short: 700, long: 3000), using: &random)))
          let flight = try await TortureFlight.count(in: scene)
          try await scene.cluster.crash()
          try await Task.sleep(for: .milliseconds(Int.random(in: 50...1500, using: &random)))
          try await scene.cluster.resume()
          let back = ContinuousClock.now
          try await scene.ready(herald)
          let settled = try await campaign.settled(scene)
          _ = try await TortureScene.eventually("the sending goes on", within: .seconds(15)) {
            if try await campaign.isCompleted(scene) { return true }
            return try await campaign.settled(scene) > settled ? true : nil
          }
          let recovery = ContinuousClock.now - back
          print("  crash \(crash): in flight \(flight), sending again after \(recovery)")
          #expect(recovery < .seconds(5))
          #expect(herald.status == nil, "Herald ended: \(herald.output.suffix(2000))")
        }
        try await campaign.completes(scene, within: .seconds(300))
        asking.cancel()
        await asking.value
        // Herald itself never died: it knows how everything ended.
        judge(try await TortureLedger(campaign, in: scene), [])
        try await client.judge(scene)
        herald.signal(SIGTERM)
        #expect(await herald.end(within: .seconds(30)) == 0)
      }
    }

    @Test("a connection cut at COMMIT, before it or after it, repeats nothing and loses nobody")
    func cuts() async throws {
      let cuts = form.pick(short: 50, long: 1000)
      var shape = TortureCampaign.Shape()
      shape.recipients = form.pick(short: 400, long: 5000)
      shape.pace = form.pick(short: 150, long: 300)
      print("Torture commits: HERALD_SEED=\(form.seed), \(cuts) cuts")
      try await TortureScene.run { scene in
        var random = TortureRandom(seed: form.seed)
        let proxy = try DatabaseProxy(upstream: scene.url)
        defer { proxy.stop() }
        let herald = try scene.start(through: proxy.url)
        try await scene.ready(herald)
        let campaign = try await TortureCampaign.prepare("cuts", shape, in: scene)
        try await campaign.launch()
        try await campaign.begins(scene)
        while proxy.cuts < cuts, try await !campaign.isCompleted(scene) {
          proxy.mode = Bool.random(using: &random) ? .cutAfterCommit : .cutBeforeCommit
          try await Task.sleep(for: .milliseconds(Int.random(in: 1...100, using: &random)))
          proxy.mode = .pass
          try await Task.sleep(for: .milliseconds(Int.random(in: 1...100, using: &random)))
        }
        proxy.mode = .pass
        print("  \(proxy.cuts) connections were cut at a COMMIT")
        try await campaign.completes(scene, within: .seconds(300))
        judge(try await TortureLedger(campaign, in: scene), [])
        herald.signal(SIGTERM)
        #expect(await herald.end(within: .seconds(30)) == 0)
      }
    }
  }
}

/// Somebody who goes on using the API whatever happens, and remembers what it was promised.
final class TortureClient: Sendable {
  private struct State {
    var answers: [Int: Int] = [:]
    var withoutRetryAfter = 0
    var broken = 0
    /// Users that were answered with success.
    var acknowledged: [String] = []
  }

  private let api: APIClient
  private let state = Mutex(State())

  init(_ api: APIClient) { self.api = api }

  /// Writes and reads by turns until cancelled.
  func ask() async {
    var turn = 0
    while !Task.isCancelled {
      turn += 1
      let name = "asker-\(turn)"
      if turn.isMultiple(of: 2) {
        note(await api.send("GET", "/v1/plans?limit=1"), nil)
      } else {
        let user: JSONValue = ["identities": ["external_id": .string(name)]]
        note(await api.send("POST", "/v1/users/batch", ["users": [user]]), name)
      }
      try? await Task.sleep(for: .milliseconds(5))
    }
  }

  private func note(_ outcome: ClientOutcome, _ name: String?) {
    state.withLock { state in
      guard case .response(let response) = outcome else {
        if !Task.isCancelled { state.broken += 1 }
        return
      }
      state.answers[response.status, default: 0] += 1
      if response.status == 503, response.header("Retry-After") == nil {
        state.withoutRetryAfter += 1
      }
      if let name, response.status == 200,
        let body = try? JSONScanner.parse(response.body),
        let status = body["results"]?.arrayValue?.first?["status"]?.intValue, status < 300
      {
        state.acknowledged.append(name)
      }
    }
  }

  /// No answer but success and 503, and every success is in the database.
  func judge(_ scene: TortureScene) async throws {
    let state = state.withLock { $0 }
    let acknowledged = state.acknowledged
    let kept = try await scene.look { db in
      try db.one(
        """
        SELECT count(*) FROM identities
        WHERE kind = 'external_id' AND value = ANY(\(acknowledged))
        """)?.get(0, as: Int.self) ?? 0
    }
    let answers = state.answers.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
    print(
      "  the API meanwhile: \(answers.joined(separator: ", ")); \(kept) of \(acknowledged.count) "
        + "acknowledged users are there")
    #expect(kept == acknowledged.count)
    #expect(state.answers.keys.allSatisfy { 200..<300 ~= $0 || $0 == 503 }, "\(answers)")
    #expect((state.answers[503] ?? 0) > 0, "no request met the outage")
    #expect(state.withoutRetryAfter == 0)
    #expect(state.broken == 0, "connections were cut or not taken")
  }
}
