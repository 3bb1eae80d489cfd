import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Routes of senders")
struct SenderRoutesTests {
  private func call(
    _ senders: Senders, _ method: HTTPMethod, _ pattern: String, key: String = "s1",
    _ body: JSONValue? = nil
  ) async throws -> (status: Int, json: JSONValue) {
    let endpoints =
      SenderRoutes.endpoints(senders)
      + ReceiptRoutes.endpoints(Receipts(db: senders.db, senders: senders))
    let endpoint = try #require(endpoints.first { $0.method == method && $0.pattern == pattern })
    let request = Request(
      method: method, path: pattern, body: body?.bytes ?? [],
      parameters: ["key": key, "sender": key], pattern: pattern)
    var response: Response
    do {
      response = try await endpoint.handler(
        Call(request: request, caller: ChannelsFixture.caller, now: ChannelsFixture.now))
    } catch {
      response = EndpointRunner.response(EndpointRunner.heraldError(error), requestID: "r")
    }
    guard case .bytes(let bytes) = response.body else { return (response.status, .null) }
    return (response.status, try JSONScanner.parse(bytes))
  }

  private let document: JSONValue = [
    "channel": "sms", "adapter": "fake", "pace": ["per_second": 500], "timeout": "7s",
    "config": ["url": "https://a.example/", "secret": "secret-1234"],
  ]

  private func withSender(_ body: (Senders) async throws -> Void) async throws {
    try await ChannelsFixture.withSchema { db in
      let senders = ChannelsFixture.senders(db)
      #expect(try await call(senders, .put, "/v1/senders/{key}", document).status == 201)
      try await body(senders)
    }
  }

  @Test("what GET answers can be PUT again and changes nothing")
  func roundTrip() async throws {
    try await withSender { senders in
      let (status, answer) = try await call(senders, .get, "/v1/senders/{key}")
      #expect(status == 200)
      #expect(answer["timeout"] == "7s")
      #expect(answer["concurrency"] == 32)
      #expect(answer["state"] == "active")
      var again = JSONObject()
      for field in ["channel", "adapter", "config", "weight", "pace", "concurrency", "timeout"] {
        again[field] = answer[field]
      }
      let second = try await call(senders, .put, "/v1/senders/{key}", .object(again))
      #expect(second.status == 200)
      #expect(second.json == answer)
      // Plans that were approved with it would lose a sender, and others gain one, unseen.
      again["channel"] = "email"
      let other = try await call(senders, .put, "/v1/senders/{key}", .object(again))
      #expect(other.status == 409 && other.json["pointer"] == "/channel")
    }
  }

  @Test("a test sends one message of the channel's shape and is audited")
  func test() async throws {
    try await withSender { senders in
      let path = "/v1/senders/{key}/test"
      let body: JSONValue = ["to": ["phone": "+8613800138000"], "content": ["text": "x"]]
      let (status, answer) = try await call(senders, .post, path, body)
      #expect(status == 200)
      #expect(
        answer == [
          "outcome": "sent", "provider_id": "secret-1234", "reason": .null, "retry_after": .null,
          "address_dead": false,
        ])
      let audited = try await senders.db.read { db in
        try db.query("SELECT FROM audit_entries WHERE action = 'sender.tested'").count
      }
      #expect(audited == 1)
      let wrong: JSONValue = ["to": ["phone": "+86"], "content": ["title": "x"]]
      let refused = try await call(senders, .post, path, wrong)
      #expect(refused.status == 422)
      #expect(refused.json["errors"]?.arrayValue?.count == 2)
      let nowhere: JSONValue = ["to": [:], "content": ["text": "x"]]
      #expect(try await call(senders, .post, path, nowhere).json["pointer"] == "/to")
      #expect(try await call(senders, .post, path, key: "none", body).status == 404)
    }
  }

  @Test("pause and resume say what holds now, however often they are asked")
  func states() async throws {
    try await withSender { senders in
      for verb in ["pause", "pause", "resume", "resume"] {
        let (status, answer) = try await call(senders, .post, "/v1/senders/{key}/\(verb)")
        #expect(status == 200)
        #expect(answer["state"] == (verb == "pause" ? "paused" : "active"))
        #expect(answer["state_reason"] == (verb == "pause" ? "paused by li.lei" : JSONValue.null))
      }
    }
  }

  @Test("receipts are answered per item")
  func receipts() async throws {
    try await withSender { senders in
      let items: JSONValue = [[.string(UUID().text), "delivered", "2026-01-01T00:00:00Z"]]
      let (status, answer) = try await call(senders, .post, "/v1/receipts/{sender}", items)
      #expect(status == 200)
      #expect(answer["accepted"] == 0)
      #expect(answer["rejected"]?.arrayValue?.first?["code"] == "unknown_delivery")
      #expect(answer["rejected"]?.arrayValue?.first?["index"] == 0)
    }
  }
}
