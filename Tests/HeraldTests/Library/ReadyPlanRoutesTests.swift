import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("The plan library") struct ReadyPlanRoutesTests {
  @Test("the library lists its plans; each can be read, in English and Chinese")
  func reading() async throws {
    try await CampaignScene.with { scene in
      let list = try await scene.herald.call(.get, "/v1/plan-library", key: scene.author).json
      let plans = list["data"]?.arrayValue ?? []
      #expect(plans.count == 11)
      #expect(
        Set(plans.compactMap { $0["stage"]?.stringValue }) == [
          "acquire", "convert", "retain", "recall",
        ])
      for key in plans.compactMap({ $0["key"]?.stringValue }) {
        for language in ["en", "zh"] {
          let detail = try await scene.herald.call(
            .get, "/v1/plan-library/\(key)?language=\(language)", key: scene.author)
          #expect(detail.status == 200, "\(key): \(detail.json.text)")
          let text = detail.json["package"]?.text ?? ""
          #expect(text.contains(where: \.isHan) == (language == "zh"), "\(key)")
        }
      }
      let none = try await scene.herald.call(.get, "/v1/plan-library/none", key: scene.author)
      #expect(none.status == 404)
      #expect(none.json["detail"]?.stringValue?.contains("'abandoned_payment'") ?? false)
      let french = try await scene.herald.call(
        .get, "/v1/plan-library/birthday?language=fr", key: scene.author)
      #expect(french.status == 400)
    }
  }

  @Test(
    "installing twice changes nothing; an export equals the package",
    arguments: ReadyPlans.all.map(\.key))
  func idempotent(_ key: String) async throws {
    try await CampaignScene.with { scene in
      func install() async throws -> HeraldInProcess.Answer {
        try await scene.herald.call(
          .put, "/v1/plan-library/\(key)/install", key: scene.author)
      }
      let first = try await install()
      #expect(first.status == 201, "\(first.json.text)")
      let audits = try await scene.herald.count("SELECT count(*) FROM audit_entries")
      let second = try await install()
      #expect(second.status == 200)
      #expect(
        second.json["items"]?.arrayValue?.allSatisfy { $0["outcome"] == "unchanged" } ?? false)
      #expect(second.json["hash"] == first.json["hash"])
      #expect(try await scene.herald.count("SELECT count(*) FROM audit_entries") == audits)
      let exported = try await scene.herald.call(
        .get, "/v1/plans/\(key)/export", key: scene.author
      ).json
      let detail = try await scene.herald.call(
        .get, "/v1/plan-library/\(key)", key: scene.author
      ).json["package"]
      for member in ["key", "document", "tags", "segments", "templates"] {
        #expect(exported[member] == detail?[member], "\(member)")
      }
    }
  }

  @Test("what was edited after installing is kept, unless it is to be replaced")
  func edited() async throws {
    try await CampaignScene.with { scene in
      func install(_ query: String = "") async throws -> [String] {
        let answer = try await scene.herald.call(
          .put, "/v1/plan-library/birthday/install\(query)", key: scene.author)
        return (answer.json["items"]?.arrayValue ?? []).filter { $0["outcome"] != "unchanged" }
          .map { "\($0["key"]?.stringValue ?? "") \($0["outcome"]?.stringValue ?? "")" }
      }
      #expect(try await install().count == 4)
      try await scene.put(
        "templates/birthday_push", ["channel": "push", "content": ["title": "Hi", "body": "Mine"]])
      #expect(try await install() == ["birthday_push kept"])
      let refused = try await scene.herald.call(
        .put, "/v1/plan-library/birthday/install?conflicts=refuse", key: scene.author)
      #expect(refused.status == 409 && refused.pointers == ["/templates/birthday_push"])
      #expect(try await install("?conflicts=replace") == ["birthday_push replaced"])
      #expect(try await install("?language=zh&conflicts=replace").count == 4)
      #expect(try await install("?language=zh") == [])
    }
  }
}

extension Character {
  fileprivate var isHan: Bool {
    unicodeScalars.contains { (0x4E00...0x9FFF).contains($0.value) }
  }
}
