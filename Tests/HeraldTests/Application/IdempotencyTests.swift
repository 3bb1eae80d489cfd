import Foundation
import HTTP
import JSON
import Postgres
import Synchronization
import Testing

@testable import Herald

@Suite("Idempotency-Key") struct IdempotencyTests {
  private static let key: JSONValue = ["name": "n", "role": "analyst", "principal": "zhou"]

  /// Mints a key under an Idempotency-Key: an effect that shows when it happens twice.
  private func mint(
    _ herald: HeraldInProcess, _ name: String, _ body: JSONValue = key, by admin: String
  ) async throws -> HeraldInProcess.Answer {
    try await herald.call(
      .post, "/v1/keys", body, key: admin, headers: ["idempotency-key": name])
  }

  private func minted(_ herald: HeraldInProcess) async throws -> Int {
    try await herald.count("SELECT count(*) FROM api_keys WHERE principal = 'zhou'")
  }

  @Test("the same request again gets the very answer, and nothing happens twice")
  func replay() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      let first = try await mint(herald, "k-1", by: admin)
      #expect(first.status == 201)
      for name in ["k-1", "\"k-1\""] {
        let again = try await mint(herald, name, by: admin)
        #expect(again.status == 201)
        #expect(again.bytes == first.bytes)
        #expect(again.headers["content-type"] == first.headers["content-type"])
        #expect(again.headers["idempotency-replayed"] == "true")
      }
      #expect(first.headers["idempotency-replayed"] == nil)
      #expect(try await minted(herald) == 1)
    }
  }

  @Test("another body, path or query under the same name is refused")
  func reused() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      _ = try await mint(herald, "k-1", by: admin)
      let other: JSONValue = ["name": "m", "role": "analyst", "principal": "zhou"]
      #expect(try await mint(herald, "k-1", other, by: admin).code == "idempotency_key_reused")
      let path = try await herald.call(
        .post, "/v1/users", Self.key, key: admin, headers: ["idempotency-key": "k-1"])
      #expect(path.status == 422)
      #expect(path.code == "idempotency_key_reused")
      var codes: [String?] = []
      for kind in ["users", "events"] {
        let answer = try await herald.call(
          .post, "/v1/imports?kind=\(kind)", key: admin,
          headers: ["idempotency-key": "k-2", "content-type": "text/csv"])
        codes.append(answer.code)
      }
      #expect(codes.first != codes.last && codes.last == "idempotency_key_reused")
      #expect(try await minted(herald) == 1)
    }
  }

  @Test("names are each API key's own")
  func scoped() async throws {
    try await HeraldInProcess.with { herald in
      let one = try await herald.key(.admin, "zhao.min")
      let two = try await herald.key(.admin, "zhao.min")
      let first = try await mint(herald, "k-1", by: one)
      let second = try await mint(herald, "k-1", by: two)
      #expect(second.status == 201)
      #expect(second.bytes != first.bytes)
      #expect(try await minted(herald) == 2)
    }
  }

  @Test("a refusal is an answer too, though it would be different by now")
  func refusal() async throws {
    try await CampaignScene.with { scene in
      let headers: HTTPHeaders = ["idempotency-key": "k-1"]
      let path = "/v1/plans/hello/submit"
      let first = try await scene.herald.call(.post, path, key: scene.author, headers: headers)
      #expect(first.status == 404)
      try await scene.draft(PlanText.plan())
      let again = try await scene.herald.call(.post, path, key: scene.author, headers: headers)
      #expect(again.status == 404)
      #expect(again.bytes == first.bytes)
      let other = try await scene.herald.call(
        .post, path, key: scene.author, headers: ["idempotency-key": "k-2"])
      #expect(other.status == 201)
    }
  }

  @Test("carried out, but the process ended before the answer was kept: 409, and not again")
  func crashed() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      _ = try await mint(herald, "k-1", by: admin)
      // As the effect's own transaction left it.
      try await herald.execute(
        "UPDATE idempotency_keys SET status = 0, headers = '{}', body = ''")
      let again = try await mint(herald, "k-1", by: admin)
      #expect(again.status == 409)
      #expect(again.code == "conflict")
      #expect(try await minted(herald) == 1)
    }
  }

  @Test("the mark is committed with the effect, or not at all")
  func atomic() async throws {
    try await HeraldInProcess.with { herald in
      let mark = IdempotencyMark(scope: [1], fingerprint: [2], now: herald.clock.now)
      struct Failure: Error {}
      await #expect(throws: Failure.self) {
        try await IdempotencyMark.$current.withValue(mark) {
          try await herald.app.db.write { tx in
            try tx.execute("UPDATE plans_epoch SET epoch = 99")
            throw Failure()
          }
        }
      }
      let left = try await herald.count("SELECT count(*) FROM idempotency_keys")
      #expect(left == 0)
    }
  }

  @Test("a hundred equal requests at once, over two processes, have one effect")
  func concurrent() async throws {
    try await HeraldInProcess.with { here in
      let there = try HeraldInProcess(pool: here.app.db.pool, clock: here.clock)
      let admin = try await here.key(.admin, "zhao.min")
      let answers = try await withThrowingTaskGroup(of: HeraldInProcess.Answer.self) { group in
        for number in 0..<100 {
          group.addTask {
            try await self.mint(number.isMultiple(of: 2) ? here : there, "k-1", by: admin)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let good = answers.filter { $0.status == 201 }
      #expect(!good.isEmpty)
      #expect(Set(good.map(\.bytes)).count == 1)
      #expect(answers.allSatisfy { $0.status == 201 || $0.status == 409 })
      #expect(try await minted(here) == 1)
      let after = try await mint(there, "k-1", by: admin)
      #expect(after.bytes == good.first?.bytes)
    }
  }

  @Test("a process that came second does not put its refusal in the place of the answer")
  func secondProcess() async throws {
    try await HeraldInProcess.with { herald in
      let db = herald.app.db
      let call = Call(
        request: Request(method: .post, path: "/x", body: [1]),
        caller: Caller(keyID: UUID(), principal: "p", role: .admin), now: herald.clock.now)
      let first = Idempotency(db: db)
      let second = Idempotency(db: db)
      let refused = try await second.run("k", call) { _ in
        // Between this one's look and its write the first process does everything.
        let answer = try await IdempotencyMark.$current.withValue(nil) {
          try await first.run("k", call) { _ in
            try await db.write { tx in _ = try tx.execute("UPDATE plans_epoch SET epoch = 2") }
            return .json(201, "done")
          }
        }
        #expect(answer.status == 201)
        do {
          try await db.write { tx in _ = try tx.execute("UPDATE plans_epoch SET epoch = 3") }
          return .json(201, "twice")
        } catch {
          return EndpointRunner.response(EndpointRunner.heraldError(error), requestID: "r")
        }
      }
      #expect(refused.status == 409)
      #expect(try await herald.count("SELECT epoch FROM plans_epoch") == 2)
      let again = try await first.run("k", call) { _ in .json(500, "never") }
      #expect(again.status == 201)
    }
  }

  @Test("names are forgotten after a day, once the house was kept")
  func pruned() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      _ = try await mint(herald, "k-1", by: admin)
      herald.clock.advance(by: 24 * 3600 + 1)
      try await Idempotency(db: herald.app.db).prune(now: herald.clock.now)
      #expect(try await mint(herald, "k-1", by: admin).status == 201)
      #expect(try await minted(herald) == 2)
    }
  }

  @Test("a name is 1 to 255 printable characters", arguments: ["", "\"\"", "a b", "é"])
  func form(name: String) async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      #expect(try await mint(herald, name, by: admin).status == 400)
      #expect(try await mint(herald, String(repeating: "k", count: 256), by: admin).status == 400)
      #expect(try await mint(herald, String(repeating: "k", count: 255), by: admin).status == 201)
    }
  }
}
