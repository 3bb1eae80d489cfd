import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Testing

extension Torture {
  @Suite("Torture: histories on the move")
  struct Merges {
    let form = TortureForm.current

    /// How a move stands.
    private struct Standing: Sendable {
      let state: String
      let moved: Int
      /// Events of the visitor under either id.
      let events: Int
      /// Of them, how many different ones.
      let different: Int
      let home: Int
    }

    @Test(
      "killed in the middle of moving a large history, and of moving it back, each event is once")
    func move() async throws {
      let count = form.pick(short: 15_000, long: 100_000)
      let kills = form.pick(short: 2, long: 8)
      print("Torture merges: HERALD_SEED=\(form.seed), \(count) events, \(kills) kills each way")
      try await TortureScene.run { scene in
        var random = TortureRandom(seed: form.seed)
        var herald = try scene.start()
        try await scene.ready(herald)
        let known = try await person(["external_id": "known"], scene)
        let visitor = try await person(["email": "visitor@example.com"], scene)
        try await fill(visitor, count, scene)
        let merge = try await scene.api.call(
          "POST", "/v1/users/\(known)/merge", ["from": .string("\(visitor)")])
        let id = try #require(merge["id"]?.stringValue.flatMap(UUID.init(uuidString:)))
        #expect(merge["state"] == "moving")
        for (direction, end) in [("moving", "merged"), ("undoing", "undone")] {
          if direction == "undoing" {
            let answer = try await scene.api.call("POST", "/v1/merges/\(id)/undo")
            #expect(answer["state"] == "undoing")
          }
          let home = direction == "moving" ? known : visitor
          for kill in 1...kills {
            let before = try await standing(id, known, visitor, home, scene)
            let next = before.home + Int.random(in: 1...count / (kills + 2), using: &random)
            _ = try await TortureScene.eventually("the move goes on") {
              try await standing(id, known, visitor, home, scene).home >= min(next, count * 4 / 5)
                ? true : nil
            }
            herald.signal(SIGKILL)
            _ = await herald.end(within: .seconds(10))
            let cut = try await standing(id, known, visitor, home, scene)
            print("  \(direction), kill \(kill): \(cut.home) of \(count) were over")
            #expect(cut.state == direction, "the kill came too late")
            #expect(cut.events == count && cut.different == count)
            #expect(cut.home > 0 && cut.home < count)
            herald = try scene.start()
            try await scene.ready(herald)
          }
          _ = try await TortureScene.eventually("the move ends", within: .seconds(180)) {
            try await standing(id, known, visitor, home, scene).state == end ? true : nil
          }
          let whole = try await standing(id, known, visitor, home, scene)
          #expect(whole.events == count && whole.different == count && whole.home == count)
          if direction == "moving" { #expect(whole.moved == count) }
          #expect(try await restless(scene) == 0)
        }
        herald.signal(SIGTERM)
        #expect(await herald.end(within: .seconds(30)) == 0, "\(herald.output.suffix(2000))")
      }
    }

    private func person(_ identities: JSONValue, _ scene: TortureScene) async throws -> UUID {
      let user = try await scene.api.call("POST", "/v1/users", ["identities": identities])
      return try #require(user["id"]?.stringValue.flatMap(UUID.init(uuidString:)))
    }

    private func fill(_ user: UUID, _ count: Int, _ scene: TortureScene) async throws {
      _ = try await scene.pool.write { tx in
        try tx.execute(
          """
          INSERT INTO events (user_id, name, ts, id, properties, source, received_at)
          SELECT \(user), 'viewed_' || n % 7, now() - n * interval '1 minute', gen_random_uuid(),
            jsonb_build_object('n', n), 'api', now() FROM generate_series(1, \(count)) AS n
          """)
      }
    }

    private func standing(
      _ merge: UUID, _ known: UUID, _ visitor: UUID, _ home: UUID, _ scene: TortureScene
    ) async throws -> Standing {
      try await scene.look { db in
        let row = try db.one(
          """
          SELECT m.state, m.moved_events, e.* FROM user_merges m, (
            SELECT count(*) AS events, count(DISTINCT (properties->>'n')::bigint) AS different,
              count(*) FILTER (WHERE user_id = \(home)) AS home
            FROM events WHERE user_id IN (\(known), \(visitor)) AND properties ? 'n') e
          WHERE m.id = \(merge)
          """)
        guard let row else { throw Program.Failure(description: "the merge is gone") }
        return Standing(
          state: try row.get("state"), moved: try row.get("moved_events"),
          events: try row.get("events"), different: try row.get("different"),
          home: try row.get("home"))
      }
    }

    /// What still says that something is on its way.
    private func restless(_ scene: TortureScene) async throws -> Int {
      try await scene.look { db in
        try db.one(
          """
          SELECT (SELECT count(*) FROM user_aliases WHERE moving)
            + (SELECT count(*) FROM user_merges WHERE moving_from IS NOT NULL)
            + (SELECT count(*) FROM events WHERE origin = user_id)
          """)?.get(0, as: Int.self)
      } ?? -1
    }
  }
}
