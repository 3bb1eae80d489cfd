import Cryptography
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Holdouts") struct HoldoutTests {
  private static let stream = #"{"event": "ordered", "occurrence": "any"}"#

  @Test(
    "buckets in SQL and Swift are those of the reference", .enabled(if: SharedHistory.folder != nil)
  )
  func vectors() async throws {
    let file = try #require(SharedHistory.folder).appendingPathComponent(
      "hash_vectors/vectors.json")
    let json = try JSONScanner.parse(Array(Data(contentsOf: file)))
    let vectors = json["vectors"]?.arrayValue ?? []
    #expect(vectors.count >= 24)
    try await HeraldInProcess.with { herald in
      for vector in vectors {
        let salt = try #require(vector["salt"]?.stringValue)
        let unit = try #require(vector["unit"]?.stringValue)
        let bucket = try #require(vector["bucket_10000"]?.intValue)
        #expect(Bucket.of(salt: salt, unit: unit) == bucket)
        #expect(try await herald.count("SELECT herald_bucket(\(salt), \(unit))") == bucket)
      }
    }
  }

  @Test("the global holdout keeps the same people out of all marketing plans, and of no other")
  func global() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(60)
      try await scene.globalHoldout(0.3)
      let dry = try await scene.dryRun(PlanText.plan(#""holdout": 0.2"#))
      try await scene.launch(PlanText.plan(#""holdout": 0.2"#))
      try await scene.launch(PlanText.plan(), key: "other")
      try await scene.launchTransactional("system")
      try await scene.drain()
      let out = try await scene.ids { id in
        Bucket.of(salt: "holdout", unit: id) < 3000
      }
      #expect(out.count > 5)
      let own = try await scene.ids { id in
        Bucket.of(salt: "holdout:hello", unit: id) < 2000
      }
      #expect(try await scene.heldOut("other") == out)
      #expect(try await scene.heldOut("hello") == out.union(own))
      #expect(try await scene.heldOut("system") == [])
      #expect(dry["held_out"]?.intValue == out.union(own).count)
      #expect(try await scene.accounting("hello")["balanced"] == true)
      let someone = try #require(out.first)
      let answer = try await scene.herald.call(
        .get, "/v1/users/\(someone)/explain?plan=other", key: scene.admin)
      let decision = answer.json["decisions"]?.arrayValue?.first
      #expect(decision?["outcome"] == "held_out" && decision?["gate"] == "holdout")
      #expect(decision?["code"] == "global_holdout")
      #expect(decision?["values"]?["held_out_below"] == 3000)
      #expect(
        decision?["values"]?["bucket"]?.intValue == Bucket.of(salt: "holdout", unit: someone))
    }
  }

  @Test(
    "who was let in stays in when the share grows, and who was held out stays out when it shrinks")
  func kept() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(60)
      try await scene.launch(CampaignScene.triggered(Self.stream, #""holdout": 0.4"#))
      try await scene.events((0..<40).map { ("ordered", $0, 0, [:]) })
      let first = try await scene.heldOut("hello")
      #expect(!first.isEmpty && first.count < 40)
      try await scene.launch(CampaignScene.triggered(Self.stream, #""holdout": 0.5"#))
      try await scene.events((0..<60).map { ("ordered", $0, 0, [:]) })
      let second = try await scene.heldOut("hello", version: 2)
      let early = try await scene.ids(of: 0..<40) { _ in true }
      #expect(second.intersection(early) == first)
      let late = try await scene.ids(of: 40..<60) { id in
        Bucket.of(salt: "holdout:hello", unit: id) < 5000
      }
      #expect(second.subtracting(early) == late)
      try await scene.launch(CampaignScene.triggered(Self.stream, #""holdout": 0.01"#))
      try await scene.events((0..<60).map { ("ordered", $0, 0, [:]) })
      #expect(try await scene.heldOut("hello", version: 3) == second)
      #expect(try await scene.accounting("hello")["balanced"] == true)
    }
  }

  @Test("a merge takes the group along, and says where two groups come together")
  func merges() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(60)
      try await scene.launch(CampaignScene.triggered(Self.stream, #""holdout": 0.5"#))
      try await scene.events((0..<30).map { ("ordered", $0, 0, [:]) })
      let out = try await scene.heldOut("hello")
      let drawn = try await scene.ids(of: 0..<30) { _ in true }
      let inside = drawn.subtracting(out).sorted()
      // Nothing has drawn them yet; their own bucket would let them in.
      let blanks = try await scene.ids(of: 30..<60) { id in
        Bucket.of(salt: "holdout:hello", unit: id) >= 5000
      }
      try #require(!out.isEmpty && inside.count > 1 && !blanks.isEmpty)
      let flip = try await scene.merge(out.sorted()[0], into: inside[0])
      let flipped = flip["flipped_arms"]?.arrayValue ?? []
      #expect(flipped.count == 1 && flipped.first?["scope"] == "holdout:hello")
      let sides = [flipped.first?["merged"], flipped.first?["kept"]].map { $0?.stringValue ?? "" }
      #expect(Set(sides) == ["held_out", "in"])
      let quiet = try await scene.merge(blanks.sorted()[0], into: inside[1])
      #expect(quiet["flipped_arms"] == [])
      let survivor = UUID(uuidString: quiet["survivor"]?.stringValue ?? "") ?? UUID()
      let arm = try await scene.herald.count(
        """
        SELECT count(*) FROM arms WHERE user_id = \(survivor)
          AND scope = 'holdout:hello' AND arm = 'in'
        """)
      #expect(arm == 1)
      let listed = try await scene.herald.call(.get, "/v1/merges", key: scene.admin).json
      let flips = listed["data"]?.arrayValue?.map { $0["flipped_arms"]?.arrayValue?.count ?? -1 }
      #expect(flips == [0, 1])
    }
  }

  @Test("a conflict shows which groups a merge would bring together")
  func conflicts() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(40)
      try await scene.launch(CampaignScene.triggered(Self.stream, #""holdout": 0.5"#))
      try await scene.events((0..<40).map { ("ordered", $0, 0, [:]) })
      let out = try await scene.heldOut("hello")
      let numbers = try await scene.numbers()
      let one = numbers.filter { out.contains($0.key) }.values.min() ?? -1
      let other = numbers.filter { !out.contains($0.key) }.values.min() ?? -1
      for (n, status) in [(one, 200), (other, 409)] {
        let answer = try await scene.herald.call(
          .post, "/v1/users",
          ["identities": ["external_id": "u-\(n)", "wechat_unionid": "w"]], key: scene.admin)
        #expect(answer.status == status)
      }
      let list = try await scene.herald.call(
        .get, "/v1/identity-conflicts?state=open", key: scene.admin)
      let differing = list.json["data"]?.arrayValue?.first?["differing_arms"]?.arrayValue?.first
      #expect(differing?["scope"] == "holdout:hello")
      #expect(
        Set(differing?["arms"]?.arrayValue?.compactMap(\.stringValue) ?? [])
          == ["held_out", "in"])
    }
  }
}

extension CampaignScene {
  /// Changes the settings as two people do it.
  func globalHoldout(_ share: Double) async throws {
    let proposed = try await herald.call(
      .put, "/v1/settings", ["global_holdout": .double(share)], key: admin)
    let id = try #require(proposed.json["proposal"]?.stringValue)
    let confirmed = try await herald.call(
      .post, "/v1/settings/proposals/\(id)/confirm", key: approver)
    try #require(confirmed.json["global_holdout"] == .double(share))
  }

  func dryRun(_ text: String, key: String = "hello") async throws -> JSONValue {
    try await draft(text, key: key)
    return try await herald.call(.post, "/v1/plans/\(key)/dry-run", key: author).json
  }

  fileprivate func launchTransactional(_ key: String) async throws {
    try await draft(PlanText.plan(#""class": "transactional""#), key: key, by: admin)
    let submitted = try await submit(key, by: admin)
    let approved = try await approve(submitted)
    try #require(approved.status == 200)
  }

  /// Ids of people u-0…, with their numbers.
  func numbers() async throws -> [String: Int] {
    try await herald.app.db.read { db in
      var numbers: [String: Int] = [:]
      for row in try db.query(
        "SELECT user_id, substr(value, 3)::integer AS n FROM identities WHERE kind = 'external_id'")
      {
        numbers[try row.get("user_id", as: UUID.self).text] = try row.get("n")
      }
      return numbers
    }
  }

  /// Ids of those people for whom `test` holds.
  func ids(
    of range: Range<Int> = 0..<1_000_000, where test: (String) -> Bool
  ) async throws -> Set<String> {
    Set(try await numbers().filter { range.contains($0.value) && test($0.key) }.keys)
  }

  func heldOut(_ plan: String, version: Int = 1) async throws -> Set<String> {
    try await herald.app.db.read { db in
      Set(
        try db.query(
          """
          SELECT user_id FROM enrolments WHERE plan = \(plan) AND state = 'held_out'
            AND plan_version = \(version)::integer
          """
        ).map { try $0.get(0, as: UUID.self).text })
    }
  }

  func merge(_ merged: String, into user: String) async throws -> JSONValue {
    let answer = try await herald.call(
      .post, "/v1/users/\(user)/merge", ["from": .string(merged)], key: admin)
    try #require(answer.status == 200, "\(String(decoding: answer.bytes, as: UTF8.self))")
    return answer.json
  }
}
