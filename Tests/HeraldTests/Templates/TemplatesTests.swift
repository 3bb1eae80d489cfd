import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Templates")
struct TemplatesTests {
  private let now = ChannelsFixture.now

  /// Calls an endpoint the way the router would, past keys and roles.
  private func call(
    _ db: Database, _ method: HTTPMethod, _ pattern: String, _ parameters: [String: String],
    _ body: JSONValue? = nil, headers: HTTPHeaders = HTTPHeaders()
  ) async throws -> Response {
    let endpoints = TemplateRoutes.endpoints(Templates(db: db))
    let endpoint = try #require(endpoints.first { $0.method == method && $0.pattern == pattern })
    let request = Request(
      method: method, path: pattern, headers: headers, body: body?.bytes ?? [],
      parameters: parameters, pattern: pattern)
    do {
      return try await endpoint.handler(
        Call(request: request, caller: ChannelsFixture.caller, now: now))
    } catch {
      return EndpointRunner.response(EndpointRunner.heraldError(error), requestID: "r")
    }
  }

  private func json(_ response: Response) throws -> JSONValue {
    guard case .bytes(let bytes) = response.body else { return .null }
    return try JSONScanner.parse(bytes)
  }

  @Test("are put, read, listed by channel and deleted")
  func lifecycle() async throws {
    try await ChannelsFixture.withSchema { db in
      let document: JSONValue = [
        "channel": "sms", "content": ["text": "Hi {{ user.name | default: 'there' }}"],
      ]
      let put = "/v1/templates/{key}"
      let first = try await call(db, .put, put, ["key": "hello"], document)
      #expect(first.status == 201)
      #expect(first.headers["etag"] == "\"v1\"")
      #expect(try json(first)["on_missing"] == "default")
      #expect(try await call(db, .put, put, ["key": "hello"], document).status == 200)
      let stale = try await call(
        db, .put, put, ["key": "hello"], document, headers: ["If-Match": "\"v9\""])
      #expect(stale.status == 412)
      let page = try json(try await call(db, .get, "/v1/templates", [:]))
      #expect(page["data"]?.arrayValue?.compactMap { $0["key"]?.stringValue } == ["hello"])
      #expect(try await call(db, .delete, put, ["key": "hello"]).status == 204)
      #expect(try await call(db, .get, put, ["key": "hello"]).status == 404)
      let again = try await call(db, .put, put, ["key": "hello"], document)
      #expect(again.status == 201)
      #expect(again.headers["etag"] == "\"v2\"")
    }
  }

  @Test("a broken text is a 422 that says where")
  func broken() async throws {
    try await ChannelsFixture.withSchema { db in
      let document: JSONValue = [
        "channel": "push", "content": ["title": "ok", "body": "Hi {{ user.name | upcase }}"],
        "on_missing": "never",
      ]
      let response = try await call(db, .put, "/v1/templates/{key}", ["key": "x"], document)
      #expect(response.status == 422)
      let problem = try json(response)
      let places = problem["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? []
      #expect(Set(places) == ["/content/body", "/on_missing"])
      let text = problem["errors"]?.arrayValue?.first {
        $0["pointer"] == "/content/body"
      }?["detail"]?.stringValue
      #expect(text?.contains("column") ?? false)
    }
  }

  @Test("render for a user, with the parts of an SMS")
  func render() async throws {
    try await ChannelsFixture.withSchema { db in
      let (user, now) = (UUID(), now)
      try await db.write { tx in
        try tx.execute(
          """
          INSERT INTO users (id, attributes, created_at, updated_at)
          VALUES (\(user), '{"name": "李雷", "external_id": "fake"}', \(now), \(now))
          """)
        try tx.execute(
          """
          INSERT INTO identities (kind, value, user_id, created_at)
          VALUES ('external_id', 'u-77', \(user), \(now))
          """)
      }
      for (key, onMissing) in [("a", "default"), ("b", "skip")] {
        let document: JSONValue = [
          "channel": "sms", "on_missing": .string(onMissing),
          "content": [
            "text": "{{ user.name }} {{ user.external_id }} {{ event.total }}", "signature": "店",
          ],
        ]
        _ = try await call(db, .put, "/v1/templates/{key}", ["key": key], document)
      }
      let pattern = "/v1/templates/{key}/render"
      let body: JSONValue = ["user": "external_id:u-77", "event": ["total": .double(128.5)]]
      let rendered = try await call(db, .post, pattern, ["key": "b"], body)
      #expect(rendered.status == 200)
      #expect(
        try json(rendered) == [
          "content": ["text": "李雷 u-77 128.5", "signature": "店"],
          "sms": ["parts": 1, "encoding": "UCS-2"],
        ])
      let bare: JSONValue = ["user": .string(user.text)]
      #expect(try await call(db, .post, pattern, ["key": "a"], bare).status == 200)
      let missing = try await call(db, .post, pattern, ["key": "b"], bare)
      #expect(missing.status == 422)
      #expect(try json(missing)["code"] == "missing_value")
      #expect(try json(missing)["detail"]?.stringValue?.contains("event.total") ?? false)
      let nobody: JSONValue = ["user": "external_id:nobody"]
      #expect(try await call(db, .post, pattern, ["key": "a"], nobody).status == 404)
    }
  }
}
