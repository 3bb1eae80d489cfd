import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Plans as documents") struct PlanPackageTests {
  /// A plan that refers to things that refer to others, each edited more than once.
  private static func furnish(_ scene: CampaignScene) async throws {
    try await scene.put(
      "tags/loyal",
      [
        "name": "Loyal", "category": "rfm", "type": "flag",
        "rule": ["event": "order_paid", "count": ["gte": 2]],
      ])
    try await scene.put(
      "segments/buyers", ["name": "Buyers", "condition": ["event": "order_paid"]])
    try await scene.put(
      "segments/best",
      [
        "name": "Best", "condition": ["all": [["segment": "buyers"], ["tag": "loyal"]]],
        "refresh": ["cron": "0 3 * * *", "zone": "Asia/Shanghai"],
      ])
    for body in ["One", "Two", "你好 {{ user.name | default: 'you' }}"] {
      try await scene.put(
        "templates/p", ["channel": "push", "content": ["title": "Hi", "body": .string(body)]])
    }
    try await scene.coupon("c", codes: 20)
    try await scene.draft(CampaignScene.triggered(#"{"api": true}"#))
    try await scene.draft(text)
  }

  private static let text = #"""
    {"name": "Best", "trigger": {"segment": "best", "at": "now"}, "holdout": 0.10,
     "steps": [
       {"id": "gift", "send": {"chain": [{"channel": "coupon", "coupon": "c"}]}},
       {"id": "tell", "send": {"chain": [{"channel": "push", "template": "p"}]}},
       {"id": "mark", "tag": {"add": "told"}}]}
    """#

  private static func answer(
    _ scene: CampaignScene, _ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil
  ) async throws -> HeraldInProcess.Answer {
    try await scene.herald.call(method, "/v1/\(path)", body, key: scene.author)
  }

  @Test("an import into another Herald gives the same manifest hash, however often each was edited")
  func journey() async throws {
    try await CampaignScene.with { first in
      try await Self.furnish(first)
      let draft = try await Self.answer(first, .get, "plans/hello/export").json
      let submitted = try await first.submit()
      let hash = try #require(submitted.json["hash"])
      let package = try await Self.answer(first, .get, "plans/hello/export").json
      #expect(package["hash"] == hash && draft == package)
      #expect(package["segments"]?.objectValue?.keys == ["best", "buyers"])
      #expect(package["tags"]?.objectValue?.keys == ["loyal"])
      #expect(package["coupons"]?["c"]?["codes"] == nil)

      try await CampaignScene.with { second in
        let bytes = package.bytes
        let refused = try await second.herald.call(
          .put, "/v1/plans/hello/import", key: second.author, bytes: bytes)
        #expect(refused.status == 409 && refused.pointers == ["/templates/p"])
        #expect(try await second.herald.count("SELECT count(*) FROM tags") == 0)
        let taken = try await Self.answer(
          second, .put, "plans/hello/import?conflicts=replace", package)
        #expect(taken.status == 201, "\(taken.json.text)")
        #expect(taken.json["hash"] == hash && taken.json["expected_hash"] == hash)
        #expect(taken.json["differs"] == [])
        let lacks = taken.json["lacks"]?.arrayValue ?? []
        #expect(lacks.map { $0["pointer"] } == ["/coupons/c"])
        // The crowd is empty here, so that no code is missed.
        #expect(try await second.submit().json["hash"] == hash)
        let again = try await Self.answer(second, .put, "plans/hello/import", package)
        #expect(again.status == 200)
        let outcomes = Set(
          again.json["items"]?.arrayValue?.compactMap { $0["outcome"]?.stringValue } ?? [])
        #expect(outcomes == ["unchanged"])
        #expect(try await Self.answer(second, .get, "plans/hello/export").json == package)
      }
    }
  }

  @Test("what lacks where it comes to is named: senders, codes, people of a list")
  func lacks() async throws {
    try await CampaignScene.with { first in
      try await first.put("segments/vips", ["name": "VIPs", "refresh": "static"])
      try await first.draft(
        Self.text.replacing(
          #""holdout": 0.10"#, with: #""audience": {"segment": "vips"}"#
        ).replacing("\"best\"", with: "\"crowd\"").replacing(
          #"{"id": "gift", "send": {"chain": [{"channel": "coupon", "coupon": "c"}]}},"#, with: ""))
      let package = try await Self.answer(first, .get, "plans/hello/export").json
      try await HeraldInProcess.with { herald in
        let key = try await herald.key(.operator, "li.lei")
        let taken = try await herald.call(.put, "/v1/plans/hello/import", package, key: key)
        #expect(taken.status == 201, "\(taken.json.text)")
        let lacks = taken.json["lacks"]?.arrayValue?.map {
          "\($0["code"]?.stringValue ?? "") \($0["pointer"]?.stringValue ?? "")"
        }
        #expect(
          lacks == ["no_sender /document/steps/0/send/chain/0/channel", "no_users /segments/vips"])
        #expect(taken.json["hash"] == .null)
        #expect(taken.json["differs"] == ["/senders/gw-push"])
        let refused = try await herald.call(.post, "/v1/plans/hello/submit", key: key)
        #expect(refused.status == 422 && refused.pointers == ["/steps/0/send/chain/0/channel"])
      }
    }
  }

  @Test("a package under another key, or kept beside what is here, says where it differs")
  func keep() async throws {
    try await CampaignScene.with { scene in
      try await Self.furnish(scene)
      let package = try await Self.answer(scene, .get, "plans/hello/export").json
      try await scene.put(
        "templates/p", ["channel": "push", "content": ["title": "Hi", "body": "Another"]])
      let kept = try await Self.answer(
        scene, .put, "plans/hello/import?conflicts=keep", package)
      #expect(kept.status == 200)
      #expect(kept.json["differs"] == ["/templates/p"])
      #expect(kept.json["hash"] != kept.json["expected_hash"])
      let other = try await Self.answer(
        scene, .put, "plans/other/import?conflicts=keep", package)
      #expect(other.status == 201)
      #expect(other.json["expected_hash"] == .null && other.json["plan"]?["key"] == "other")
    }
  }

  @Test("brought onto a live plan with another text, it says so and is a draft to be submitted")
  func ontoLive() async throws {
    try await CampaignScene.with { scene in
      try await scene.launch(CampaignScene.triggered(#"{"api": true}"#))
      let package = try await Self.answer(scene, .get, "plans/hello/export").json
      func take(_ package: JSONValue, _ conflicts: String) async throws -> JSONValue {
        let answer = try await Self.answer(
          scene, .put, "plans/hello/import?conflicts=\(conflicts)", package)
        try #require(answer.status == 200, "\(answer.json.text)")
        return answer.json
      }
      let equal = try await take(package, "replace")
      #expect(equal["hash"] == package["hash"] && equal["differs"] == [])
      #expect(equal["plan"]?["draft_version"] == .null)

      let tampered = try JSONScanner.parse(
        Array(package.text.replacing("Hi {{", with: "Bye {{").utf8))
      let taken = try await take(tampered, "replace")
      let outcomes = taken["items"]?.arrayValue?.map {
        "\($0["kind"]?.stringValue ?? "") \($0["outcome"]?.stringValue ?? "")"
      }
      #expect(outcomes == ["template replaced", "plan replaced"])
      #expect(taken["expected_hash"] == package["hash"] && taken["hash"] != package["hash"])
      #expect(taken["differs"] == ["/hash"])
      #expect(taken["plan"]?["draft_version"] == 2)
      let submitted = try await scene.submit()
      #expect(submitted.json["hash"] == taken["hash"])

      // What is pending is not what came in: taken back, too.
      let back = try await take(package, "replace")
      #expect(back["hash"] == package["hash"] && back["differs"] == [])
      #expect(back["plan"]?["versions"]?.arrayValue?.first?["state"] == "draft")
      #expect(try await scene.approve(submitted).status == 409)
    }
  }

  @Test("kept beside a live plan, nothing changes, and the hash is that of what is here now")
  func keepLive() async throws {
    try await CampaignScene.with { scene in
      try await scene.launch(CampaignScene.triggered(#"{"api": true}"#))
      let package = try await Self.answer(scene, .get, "plans/hello/export").json
      try await scene.put(
        "templates/p", ["channel": "push", "content": ["title": "Hi", "body": "Another"]])
      let kept = try await Self.answer(scene, .put, "plans/hello/import?conflicts=keep", package)
      #expect(kept.json["plan"]?["draft_version"] == .null)
      #expect(kept.json["differs"] == ["/templates/p"])
      #expect(kept.json["hash"] != package["hash"])
    }
  }

  @Test("every fault of a package is named at its place, and nothing is written")
  func faults() async throws {
    try await CampaignScene.with { scene in
      let package: JSONValue = [
        "format": "herald-plan/1", "key": "x", "documents": 1,
        "document": ["name": "x"],
        "tags": ["A b": ["name": "x", "category": "custom"], "t": ["name": "x"]],
        "segments": ["s": ["name": "S", "condition": ["tagg": "x"]]],
        "templates": ["q": ["channel": "push", "content": ["title": "x"]]],
        "coupons": ["c": ["name": "C"]],
      ]
      let answer = try await Self.answer(scene, .put, "plans/x/import", package)
      #expect(answer.status == 422)
      let expected: Set<String> = [
        "/documents", "/tags/A b", "/tags/t/category", "/segments/s/condition",
        "/templates/q/content/body", "/coupons/c/discount", "/coupons/c/valid",
      ]
      #expect(expected.isSubset(of: answer.pointers), "\(answer.pointers)")
      let later: JSONValue = [
        "format": "herald-plan/1", "document": ["name": "x", "trigger": ["api": true]],
        "segments": [
          "a": ["name": "A", "condition": ["segment": "b"]],
          "b": ["name": "B", "condition": ["segment": "gone"]],
        ],
      ]
      let inner = try await Self.answer(scene, .put, "plans/x/import", later)
      #expect(inner.status == 422 && inner.pointers == ["/segments/b/condition/segment"])
      let circle: JSONValue = [
        "format": "herald-plan/1", "document": ["name": "x", "trigger": ["api": true]],
        "segments": [
          "0": ["name": "0", "condition": ["segment": "a"]],
          "a": ["name": "A", "condition": ["segment": "b"]],
          "b": ["name": "B", "condition": ["segment": "a"]],
        ],
      ]
      let round = try await Self.answer(scene, .put, "plans/x/import", circle)
      #expect(round.status == 422 && round.code == "segment_cycle")
      #expect(round.json["pointer"] == "/segments/a/condition/segment")
      #expect(
        round.json["detail"]?.stringValue?.contains("a → b → a") == true, "\(round.json.text)")
      let bare: JSONValue = [
        "format": "herald-plan/1", "document": ["name": "x", "trigger": ["api": true]],
      ]
      let steps = try await Self.answer(scene, .put, "plans/x/import", bare)
      #expect(steps.status == 422 && steps.pointers == ["/document/steps"])
      #expect(
        try await Self.answer(scene, .put, "plans/x/import", ["format": "zip", "document": [:]])
          .pointers == ["/format"])
      #expect(try await scene.herald.count("SELECT count(*) FROM plans") == 0)
      #expect(try await scene.herald.count("SELECT count(*) FROM segments") == 1)
    }
  }

  @Test("an export of what was approved is what was approved, not what is written now")
  func frozen() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.launch(CampaignScene.triggered(#"{"api": true}"#))
      let approved = try await Self.answer(scene, .get, "plans/hello/export").json
      try await scene.put(
        "templates/p", ["channel": "push", "content": ["title": "Hi", "body": "Changed"]])
      #expect(try await Self.answer(scene, .get, "plans/hello/export").json == approved)
      #expect(try await Self.answer(scene, .get, "plans/hello/export?version=1").status == 200)
      #expect(try await Self.answer(scene, .get, "plans/hello/export?version=2").status == 404)
      #expect(try await Self.answer(scene, .get, "plans/none/export").status == 404)
    }
  }

  @Test("copies, groups, and archived plans that come back")
  func shelves() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(CampaignScene.triggered(#"{"api": true}"#))
      let grouped = try await Self.answer(
        scene, .put, "plans/hello/group", ["group": "spring"])
      #expect(grouped.status == 200 && grouped.json["group"] == "spring")
      let copied = try await Self.answer(
        scene, .post, "plans/hello/copy", ["key": "again", "name": "Again"])
      #expect(copied.status == 201)
      #expect(copied.json["group"] == "spring" && copied.json["name"] == "Again")
      #expect(
        try await Self.answer(scene, .post, "plans/hello/copy", ["key": "again"]).code
          == "conflict")
      #expect(
        try await Self.answer(scene, .post, "plans/hello/copy", ["key": "No!"]).pointers
          == ["/key"])
      #expect(try await Self.answer(scene, .post, "plans/none/copy", ["key": "z"]).status == 404)
      func keys(_ query: String) async throws -> [String] {
        let page = try await Self.answer(scene, .get, "plans?\(query)").json
        return page["data"]?.arrayValue?.compactMap { $0["key"]?.stringValue } ?? []
      }
      try await scene.draft(CampaignScene.triggered(#"{"api": true}"#), key: "loose")
      #expect(try await keys("group=spring") == ["again", "hello"])
      #expect(try await keys("") == ["again", "hello", "loose"])
      let groups = try await Self.answer(scene, .get, "plan-groups").json
      #expect(groups["data"] == [["group": "spring", "plans": 2, "live": 0]])
      #expect(try await Self.answer(scene, .post, "plans/again/archive").status == 204)
      #expect(try await keys("archived=true") == ["again"])
      #expect(try await keys("group=spring") == ["hello"])
      _ = try await Self.answer(scene, .put, "plans/again/group", ["group": .null])
      #expect(try await keys("archived=true") == ["again"])
      #expect(
        try await scene.write(
          CampaignScene.triggered(#"{"api": true}"#), key: "again", by: scene.author
        ).status == 200)
      #expect(try await keys("") == ["again", "hello", "loose"])
      #expect(try await Self.answer(scene, .put, "plans/hello/group", [:]).status == 422)
      #expect(try await Self.answer(scene, .put, "plans/none/group", ["group": "x"]).status == 404)
      #expect(try await Self.answer(scene, .get, "plans?group=No!").status == 400)
    }
  }
}
