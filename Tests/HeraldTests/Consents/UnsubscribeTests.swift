import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Unsubscribe links")
struct UnsubscribeTests {
  private static let base = "https://news.example.com"

  private func scene(
    _ group: String, _ body: (HeraldInProcess, String, UnsubscribeLink, String) async throws -> Void
  ) async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      let id = try await herald.user("u-1", ["consents": ["email": "granted"]], key: key)
      let user = try #require(UUID(uuidString: id))
      let link = UnsubscribeLink(
        user: user, delivery: UUID(), subscription: Subscription(.email, group: group))
      let links = UnsubscribeLinks(publicURL: Self.base, secrets: herald.secrets)
      let url = try #require(links.url(link))
      try await body(herald, key, link, String(url.dropFirst(Self.base.count)))
    }
  }

  private func post(
    _ herald: HeraldInProcess, _ path: String, _ form: String = "List-Unsubscribe=One-Click"
  ) async throws -> HeraldInProcess.Answer {
    try await herald.call(
      .post, path, form: form, headers: ["content-type": "application/x-www-form-urlencoded"])
  }

  @Test("change nothing when they are looked at, in the language asked for")
  func look() async throws {
    try await scene("news") { herald, key, _, path in
      let chinese = try await herald.call(
        .get, path, headers: ["accept-language": "fr, zh-CN;q=0.8, en;q=0.5"])
      #expect(chinese.status == 200)
      let text = String(decoding: chinese.bytes, as: UTF8.self)
      #expect(text.contains("退订") && text.contains("lang=\"zh-CN\""))
      #expect(text.contains("method=\"post\""))
      let english = try await herald.call(.get, path)
      #expect(String(decoding: english.bytes, as: UTF8.self).contains("lang=\"en\""))
      let user = try await herald.call(.get, "/v1/users/external_id:u-1", key: key)
      #expect(user.json["consents"] == ["email": "granted"])
    }
  }

  @Test("end the group in one click, as often as it is clicked, and the channel on demand")
  func click() async throws {
    try await scene("news") { herald, key, _, path in
      #expect(try await post(herald, path).status == 200)
      #expect(try await post(herald, path).status == 200)
      var user = try await herald.call(.get, "/v1/users/external_id:u-1", key: key)
      #expect(user.json["consents"] == ["email": "granted", "email:news": "denied"])
      #expect(try await herald.count("SELECT count(*) FROM consent_history") == 2)
      let all = "List-Unsubscribe=One-Click&scope=all"
      #expect(try await post(herald, path, all).status == 200)
      user = try await herald.call(.get, "/v1/users/external_id:u-1", key: key)
      #expect(user.json["consents"]?["email"] == "denied")
      #expect(
        try await herald.count(
          "SELECT count(*) FROM consents WHERE source = 'unsubscribe_link'") == 2)
    }
  }

  @Test("without a group end the channel, whatever form the mailbox posts")
  func multipart() async throws {
    try await scene("") { herald, key, _, path in
      let form =
        "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--"
      let answer = try await herald.call(
        .post, path, form: form, headers: ["content-type": "multipart/form-data; boundary=b"])
      #expect(answer.status == 200)
      let user = try await herald.call(.get, "/v1/users/external_id:u-1", key: key)
      #expect(user.json["consents"] == ["email": "denied"])
    }
  }

  @Test("work for nobody when a byte is changed, and need the one-click body")
  func forged() async throws {
    try await scene("news") { herald, key, link, path in
      let token = Array(path.dropFirst("/u/".count).utf8)
      let letters = Array("ABab01-_".utf8)
      for index in token.indices {
        var forged = token
        forged[index] = letters.first { $0 != token[index] } ?? 0
        let text = String(decoding: forged, as: UTF8.self)
        // The last letter holds bits that are no part of the bytes.
        let isSame = UnsubscribeLinks(publicURL: nil, secrets: herald.secrets).read(text) == link
        #expect(!isSame || index == token.count - 1, "\(index)")
      }
      #expect(try await post(herald, "/u/example").status == 404)
      let other = UnsubscribeLinks(publicURL: nil, secrets: .random()).token(link)
      #expect(try await post(herald, "/u/\(other)").status == 404)
      #expect(try await post(herald, path, "hello=1").status == 422)
      let page = try await herald.call(.get, "/u/example", headers: ["accept": "text/html"])
      #expect(page.status == 404)
      #expect(page.headers["content-type"] == "text/html; charset=utf-8")
      let user = try await herald.call(.get, "/v1/users/external_id:u-1", key: key)
      #expect(user.json["consents"] == ["email": "granted"])
    }
  }

  @Test("stand in messages and in the headers of e-mails, and hold back the next of the kind")
  func message() async throws {
    try await CampaignScene.with { scene in
      try await scene.put(
        "templates/e",
        [
          "channel": "email",
          "content": ["subject": "Hi", "html": "<a href=\"{{ unsubscribe_url }}\">out</a>"],
        ])
      try await scene.put(
        "senders/gw-email", ["channel": "email", "adapter": "record", "config": [:]])
      try await scene.people(1) { _, user in
        user["identities"] = ["external_id": "u-0", "email": "li@example.com"]
        user["consents"] = ["email": "granted"]
      }
      let step = PlanText.step("hello", #"{"channel": "email", "template": "e"}"#)
      try await scene.launch(PlanText.plan(#""category": "news""#, steps: step))
      try await scene.drain()
      let message = try #require(scene.herald.channel.messages.first)
      let header = try #require(message.content["headers"]?["List-Unsubscribe"]?.stringValue)
      #expect(
        message.content["headers"]?["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click")
      let url = String(header.dropFirst().dropLast())
      #expect(message.content["html"] == .string("<a href=\"\(url)\">out</a>"))

      let path = String(url.dropFirst(Self.base.count))
      #expect(try await post(scene.herald, path).status == 200)
      #expect(
        try await scene.herald.count("SELECT count(*) FROM receipts WHERE event = 'unsubscribed'")
          == 1)
      try await scene.launch(PlanText.plan(#""category": "news""#, steps: step), key: "again")
      try await scene.launch(PlanText.plan(#""category": "other""#, steps: step), key: "other")
      try await scene.drain()
      #expect(scene.herald.channel.messages.map(\.plan).sorted() == ["hello", "other"])
      let accounting = try await scene.accounting("again")
      #expect(accounting["steps"]?["hello"]?["skipped"] == ["denied": 1])
    }
  }
}
