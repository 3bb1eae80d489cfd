import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Testing

extension Torture {
  @Suite("Torture: events")
  struct Ingestion {
    let form = TortureForm.current

    @Test("each acknowledged event is there exactly once, whatever was killed meanwhile")
    func once() async throws {
      let kills = form.pick(short: 3, long: 20)
      let crashes = form.pick(short: 1, long: 5)
      var events = TortureEvents(
        seed: form.seed, count: form.pick(short: 20_000, long: 1_000_000),
        start: Date(timeIntervalSince1970: 1_790_000_000))
      print(
        "Torture events: HERALD_SEED=\(form.seed), \(events.count) events, \(kills) kills of "
          + "Herald, \(crashes) crashes of PostgreSQL")
      try await TortureScene.run { scene in
        var herald = try scene.start()
        try await scene.ready(herald)
        let probe = await scene.api.send("/v1/batch", bytes: Array(#"{"batch":[]}"#.utf8))
        if case .response(let response) = probe { events.isTracking = response.status == 200 }
        let sent = events
        let senders = TortureSenders(sent, scene.api)
        let began = ContinuousClock.now
        async let posting: Void = senders.send(clients: 8)
        var random = TortureRandom(seed: form.seed &+ 1)
        for blow in blows(kills, crashes, sent.count, &random) {
          _ = try await TortureScene.eventually("so many are acknowledged", within: .seconds(900)) {
            senders.acknowledged >= blow.after ? true : nil
          }
          if blow.isCrash {
            try await scene.cluster.crash()
            try await Task.sleep(for: .milliseconds(Int.random(in: 50...800, using: &random)))
            try await scene.cluster.resume()
          } else {
            herald.signal(SIGKILL)
            _ = await herald.end(within: .seconds(10))
            herald = try scene.start()
          }
        }
        await posting
        let seconds = (ContinuousClock.now - began).components.seconds
        print("  all acknowledged after \(seconds) s: \(senders.summary)")
        #expect(senders.faults.isEmpty, "\(senders.faults.first ?? "")")
        try await judge(sent, scene)
        herald.signal(SIGTERM)
        #expect(await herald.end(within: .seconds(30)) == 0, "\(herald.output.suffix(2000))")
      }
    }

    private struct Blow {
      /// Events acknowledged before it falls.
      let after: Int
      let isCrash: Bool
    }

    private func blows(
      _ kills: Int, _ crashes: Int, _ count: Int, _ random: inout TortureRandom
    ) -> [Blow] {
      let kinds = Array(repeating: false, count: kills) + Array(repeating: true, count: crashes)
      return kinds.shuffled(using: &random).map { isCrash in
        Blow(after: Int.random(in: 0..<count * 9 / 10, using: &random), isCrash: isCrash)
      }.sorted { $0.after < $1.after }
    }

    private func judge(_ events: TortureEvents, _ scene: TortureScene) async throws {
      let row = try await scene.pool.read { db in
        try db.one(
          """
          SELECT count(*) AS rows, count(DISTINCT (properties->>'n')::bigint) AS events,
            min((properties->>'n')::bigint) AS least, max((properties->>'n')::bigint) AS most,
            count(message_id) AS named, count(DISTINCT message_id) AS messages,
            (SELECT count(*) FROM event_keys) AS keys, (SELECT count(*) FROM users) AS users,
            (SELECT count(*) FROM identities) AS identities
          FROM events
          """)
      }
      let found = try #require(row)
      let rows = try found.get("rows", as: Int.self)
      print("  \(rows) rows of \(events.count) events")
      #expect(rows == events.count)
      #expect(try found.get("events", as: Int.self) == events.count)
      #expect(try found.get("least", as: Int.self) == 0)
      #expect(try found.get("most", as: Int.self) == events.count - 1)
      #expect(try found.get("keys", as: Int.self) == events.count)
      let named = try found.get("named", as: Int.self)
      #expect(named == events.count - (events.count + 4) / 5)
      #expect(try found.get("messages", as: Int.self) == named)
      #expect(
        try found.get("users", as: Int.self) == found.get("identities", as: Int.self))
    }

    @Test("an import goes on where a kill left it, and takes every line once")
    func imports() async throws {
      let kills = form.pick(short: 2, long: 5)
      let lines = form.pick(short: 20_000, long: 1_000_000)
      let events = TortureEvents(
        seed: form.seed, count: lines, start: Date(timeIntervalSince1970: 1_790_000_000))
      print("Torture import: HERALD_SEED=\(form.seed), \(lines) lines, \(kills) kills")
      try await TortureScene.run { scene in
        var herald = try scene.start()
        try await scene.ready(herald)
        let path = scene.directory + "/events.ndjson"
        try Data((0..<lines).map { events.event($0) + "\n" }.joined().utf8)
          .write(to: URL(fileURLWithPath: path))
        let began = ContinuousClock.now
        let command = try scene.programs.start(
          "import", [TortureScene.binary, "import", "events", path],
          environment: ["HERALD_URL": scene.api.base, "HERALD_KEY": scene.api.key])
        var random = TortureRandom(seed: form.seed &+ 2)
        for _ in 0..<kills {
          let next = try await done(scene) + Int.random(in: 1...lines / (kills + 1), using: &random)
          _ = try await TortureScene.eventually("so many are imported", within: .seconds(600)) {
            if let status = command.status {
              throw Program.Failure(description: "it ended with \(status): \(command.output)")
            }
            return try await done(scene) >= min(next, lines * 9 / 10) ? true : nil
          }
          herald.signal(SIGKILL)
          _ = await herald.end(within: .seconds(10))
          herald = try scene.start()
        }
        #expect(await command.end(within: .seconds(900)) == 0, "\(command.output.suffix(2000))")
        print("  imported after \((ContinuousClock.now - began).components.seconds) s")
        try await judge(events, scene)
        herald.signal(SIGTERM)
        #expect(await herald.end(within: .seconds(30)) == 0)
      }
    }

    private func done(_ scene: TortureScene) async throws -> Int {
      try await scene.pool.read { db in
        try db.one("SELECT coalesce(sum(done), 0)::bigint AS n FROM jobs")?.get("n") ?? 0
      }
    }
  }
}
