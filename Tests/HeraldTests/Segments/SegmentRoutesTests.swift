import Conditions
import Foundation
import HTTP
import HeraldTesting
import JSON
import Testing

@testable import Herald

/// What the endpoints of segments take and answer.
@Suite("Segment endpoints", .segmentDatabase)
struct SegmentRoutesTests {
  private func call(
    _ method: HTTPMethod, _ pattern: String, key: String? = nil, body: JSONValue? = nil,
    query: [(name: String, value: String)] = [], by caller: Caller = SegmentFixture.caller
  ) async throws -> (status: Int, json: JSONValue, headers: HTTPHeaders) {
    let endpoints = SegmentRoutes.endpoints(Segments(db: SegmentFixture.db))
    let endpoint = try #require(
      endpoints.first { $0.method == method && $0.pattern == pattern })
    let request = Request(
      method: method, path: pattern, query: query, body: body?.bytes ?? [],
      parameters: key.map { ["key": $0] } ?? [:], pattern: pattern)
    let response = try await endpoint.handler(
      Call(request: request, caller: caller, now: SegmentFixture.now))
    guard case .bytes(let bytes) = response.body, !bytes.isEmpty else {
      return (response.status, .null, response.headers)
    }
    return (response.status, try JSONScanner.parse(bytes), response.headers)
  }

  @Test("A rule is made, changed, listed, counted, asked and deleted")
  func rule() async throws {
    let people = try await SegmentFixture.people([["age": 20], ["age": 10]])
    let body: JSONValue = ["name": "Grown", "condition": ["attribute": "age", "gte": 18]]
    let made = try await call(.put, "/v1/segments/{key}", key: "grown", body: body)
    #expect(made.status == 201)
    #expect(made.headers["etag"] == "\"v1\"")
    #expect(made.json["refresh"] == "live")
    #expect(try await call(.put, "/v1/segments/{key}", key: "grown", body: body).status == 200)
    let counted = try await call(.post, "/v1/segments/{key}/refresh", key: "grown")
    #expect(counted.json["size"] == 1)
    let users = try await call(.get, "/v1/segments/{key}/users", key: "grown")
    #expect(users.json["data"]?.arrayValue?.map { $0["id"] } == [.string(people[0].text)])
    let insight = try await call(
      .get, "/v1/segments/{key}/insight", key: "grown", query: [("by", "attribute:age")])
    #expect(insight.json["values"] == [["value": 20, "count": 1]])
    let list = try await call(.get, "/v1/segments")
    #expect(list.json["data"]?.arrayValue?.count == 1)
    #expect(try await call(.delete, "/v1/segments/{key}", key: "grown").status == 204)
    #expect(try await call(.get, "/v1/segments").json["data"] == [])
  }

  @Test("A preview has the count, the reachable by channel, a sample and the time it took")
  func preview() async throws {
    let people = try await SegmentFixture.people([["age": 20]])
    let told = try await call(.post, "/v1/segments/preview", body: ["condition": ["all": []]])
    #expect(told.status == 200)
    #expect(told.json["count"] == 1)
    #expect(told.json["exact"] == true)
    #expect(told.json["reachable"]?["coupon"] == 1)
    #expect(told.json["reachable"]?["sms"] == 0)
    #expect(told.json["sample"] == [.string(people[0].text)])
    #expect(told.json["took_ms"]?.intValue != nil)
  }

  static let faulty: [(JSONValue, String)] = [
    (["name": "x"], "/condition"),
    (["name": "x", "condition": ["all": []], "refresh": "static"], "/condition"),
    (["name": "x", "condition": ["all": []], "refresh": "daily"], "/refresh"),
    (
      ["name": "x", "condition": ["all": []], "refresh": ["cron": "0 3 * *", "zone": "UTC"]],
      "/refresh/cron"
    ),
    (
      ["name": "x", "condition": ["all": []], "refresh": ["cron": "0 3 * * *", "zone": "CET9"]],
      "/refresh/zone"
    ),
    (["name": "x", "condition": ["all": [["tga": "vip"]]]], "/condition/all/0"),
    (["name": "x", "condition": ["all": []], "color": "red"], "/color"),
    (["condition": ["all": []]], "/name"),
  ]

  @Test("A faulty segment is refused with the place of the fault", arguments: faulty)
  func refused(body: JSONValue, pointer: String) async throws {
    let error = await #expect(throws: HeraldError.self) {
      try await call(.put, "/v1/segments/{key}", key: "x", body: body)
    }
    #expect(error?.code.status == 422)
    #expect(error?.faults.contains { $0.pointer.description == pointer } ?? false)
  }

  @Test("A list is uploaded; who cannot be found is answered and spoils nothing")
  func list() async throws {
    _ = try await SegmentFixture.people([[:], [:]])
    let made = try await call(
      .put, "/v1/segments/{key}", key: "list", body: ["name": "List", "refresh": "static"])
    #expect(made.json["kind"] == "static")
    let changed = try await call(
      .post, "/v1/segments/{key}/users", key: "list",
      body: ["add": ["external_id:u-0", "external_id:nobody", "nonsense"]])
    #expect(changed.json["added"] == 1)
    #expect(changed.json["list_version"] == 1)
    #expect(
      changed.json["rejected"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue }.sorted()
        == ["/add/1", "/add/2"])
    let masked = Caller(keyID: UUID(), principal: "ana", role: .analyst)
    let users = try await call(.get, "/v1/segments/{key}/users", key: "list", by: masked)
    #expect(users.json["data"]?.arrayValue?.first?["external_id"] == "u***")
    await #expect(throws: HeraldError.self) {
      try await call(
        .get, "/v1/segments/{key}/insight", key: "list", query: [("by", "attribute:phone")],
        by: masked)
    }
  }
}
