import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct ReportRoutesTests {
  @Test("every answer is as its schema says")
  func answers() async throws {
    try await ReportScene.with { scene in
      let person = try await Self.fill(scene)
      let routes = RouteTable(scene)
      let key = "hello"
      try await routes.check(.get, "/v1/plans/{key}/accounting", ["key": key])
      try await routes.check(.get, "/v1/plans/{key}/report", ["key": key])
      try await routes.check(.get, "/v1/plans/{key}/deliveries", ["key": key])
      try await routes.check(
        .post, "/v1/plans/{key}/retry", ["key": key], body: ["status": "failed"])
      try await routes.check(
        .get, "/v1/users/{u}/explain", ["u": person.text], query: [("plan", key)])
      try await routes.check(
        .get, "/v1/users/{u}/explain", ["u": person.text], query: [("segment", "crowd")])
      try await routes.check(.post, "/v1/stop", body: ["channel": "sms", "reason": "storm"])
      try await routes.check(.get, "/v1/stops")
      try await routes.check(.post, "/v1/start", body: ["channel": "sms"])
      try await routes.check(.get, "/v1/settings")
      try await routes.check(.put, "/v1/settings", body: ["time_zone": "Europe/Berlin"])
      _ = try await scene.key("a", .admin)
      _ = try await scene.key("b", .approver)
      try await routes.check(.put, "/v1/settings", body: [:], status: 202)
      try await routes.check(.get, "/v1/settings/proposals")
    }
  }

  @Test("explaining wants exactly one of plan and segment", arguments: [0, 2])
  func oneParameter(count: Int) async throws {
    try await ReportScene.with { scene in
      let query = Array([("plan", "a"), ("segment", "b")].prefix(count))
      await #expect {
        try await RouteTable(scene).call(
          .get, "/v1/users/{u}/explain", ["u": UUID().uuidString], query: query)
      } throws: { ($0 as? HeraldError)?.code == .badQuery }
    }
  }

  @Test("the kill switch needs no body")
  func bareStop() async throws {
    try await ReportScene.with { scene in
      let response = try await RouteTable(scene).call(.post, "/v1/stop")
      #expect(response.json == ["stopped": ["all"], "in_flight": 0])
    }
  }

  @Test(
    "reports come as CSV, as a table or as JSON",
    arguments: [
      ("text/csv", nil, "text/csv"), ("*/*", nil, "application/json"),
      ("application/json, text/csv", nil, "application/json"), ("*/*", "csv", "text/csv"),
      ("text/csv", "table", "text/plain"),
    ] as [(String, String?, String)])
  func formats(accept: String, format: String?, type: String) async throws {
    try await ReportScene.with { scene in
      _ = try await Self.fill(scene)
      let response = try await RouteTable(scene).call(
        .get, "/v1/plans/{key}/report", ["key": "hello"],
        query: format.map { [("format", $0)] } ?? [], accept: accept)
      #expect(response.headers["content-type"]?.hasPrefix(type) ?? false)
    }
  }

  /// A plan with one sent and one failed delivery; whose the sent one is.
  private static func fill(_ scene: ReportScene) async throws -> UUID {
    try await scene.plan(
      "hello",
      ReportScene.document(
        steps: ["first"], goals: [["stage": "convert", "event": "paid", "within": "3d"]]))
    let people = ReportScene.people(3)
    try await scene.users(people)
    let run = try await scene.run(of: "hello", people: people)
    try await scene.enrol(Array(people[0..<2]), in: run, "finished", bucket: 700)
    try await scene.enrol([people[2]], in: run, "held_out", bucket: 7)
    let sent = try await scene.deliver([people[0]], in: run, step: "first", "sent")
    try await scene.attempt(sent, "sent")
    try await scene.receipts(sent, "clicked")
    let failed = try await scene.deliver([people[1]], in: run, step: "first", "failed", "gone")
    try await scene.attempt(failed, "failed", "gone")
    try await scene.execute(
      """
      INSERT INTO segments (key, name, kind, condition, refresh, created_at, updated_at)
      VALUES ('crowd', 'Crowd', 'rule', '{"attribute": "age", "gte": 1}', '"live"',
        \(ReportScene.now), \(ReportScene.now))
      """)
    return people[0]
  }
}

/// The handlers of these routes, called without a server.
private struct RouteTable {
  let endpoints: [Endpoint]
  let components: JSONObject
  let caller: Caller

  init(_ scene: ReportScene, caller: Caller = ReportScene.admin) {
    let db = scene.db
    endpoints =
      ReportRoutes.endpoints(Reports(db: db))
      + ExplainRoutes.endpoints(Explanations(db: db, segments: Segments(db: db)))
      + StopRoutes.endpoints(Stops(db: db)) + SettingsRoutes.endpoints(Settings(db: db))
    var all = JSONObject()
    for components in [
      ReportRoutes.components, ExplainRoutes.components, StopRoutes.components,
      SettingsRoutes.components,
    ] {
      for (name, schema) in components { all[name] = schema }
    }
    components = all
    self.caller = caller
  }

  private func endpoint(_ method: HTTPMethod, _ pattern: String) throws -> Endpoint {
    try #require(endpoints.first { $0.method == method && $0.pattern == pattern })
  }

  func call(
    _ method: HTTPMethod, _ pattern: String, _ path: [String: String] = [:],
    query: [(String, String)] = [], body: JSONValue? = nil, accept: String = "*/*"
  ) async throws -> Response {
    let request = Request(
      method: method, path: pattern, query: query.map { (name: $0.0, value: $0.1) },
      headers: ["accept": accept], body: body?.bytes ?? [], parameters: path)
    return try await endpoint(method, pattern).handler(
      Call(request: request, caller: caller, now: ReportScene.now))
  }

  /// Calls and compares the answer with the schema of its status.
  func check(
    _ method: HTTPMethod, _ pattern: String, _ path: [String: String] = [:],
    query: [(String, String)] = [], body: JSONValue? = nil, status: Int = 200
  ) async throws {
    let response = try await call(method, pattern, path, query: query, body: body)
    #expect(response.status == status, "\(pattern)")
    let schema = try #require(try endpoint(method, pattern).operation.responses[status] ?? nil)
    let faults = faults(try #require(response.json), schema, at: "")
    #expect(faults == [], "\(method.rawValue) \(pattern)")
  }

  /// Objects' members, types and choices: as much of JSON Schema as these answers use.
  private func faults(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
    if let name = schema["$ref"]?.stringValue?.split(separator: "/").last {
      guard let component = components[String(name)] else { return ["\(place): no \(name)"] }
      return faults(value, component, at: place)
    }
    if let choices = schema["anyOf"]?.arrayValue {
      let all = choices.map { faults(value, $0, at: place) }
      return all.contains([]) ? [] : ["\(place): none of \(choices.count): \(all)"]
    }
    if let choices = schema["enum"]?.arrayValue, !choices.contains(value) {
      return ["\(place): \(value.text) is no choice"]
    }
    switch (schema["type"]?.stringValue, value) {
    case (nil, _), ("string", .string), ("integer", .number), ("number", .number),
      ("boolean", .bool), ("null", .null):
      return []
    case ("array", .array(let elements)):
      guard let item = schema["items"] else { return [] }
      return elements.enumerated().flatMap { faults($1, item, at: "\(place)/\($0)") }
    case ("object", .object(let object)): return faults(object, schema, at: place)
    default: return ["\(place): \(value.kind) for \(schema["type"]?.text ?? "")"]
    }
  }

  private func faults(_ object: JSONObject, _ schema: JSONValue, at place: String) -> [String] {
    let required = schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? []
    var found = required.filter { object[$0] == nil }.map { "\(place)/\($0): absent" }
    for (key, value) in object {
      let inner = "\(place)/\(key)"
      if let known = schema["properties"]?[key] {
        found += faults(value, known, at: inner)
      } else if let other = schema["additionalProperties"], other != false {
        found += faults(value, other, at: inner)
      } else {
        found.append("\(inner): unknown")
      }
    }
    return found
  }
}

extension Response {
  fileprivate var json: JSONValue? {
    guard case .bytes(let bytes) = body else { return nil }
    return try? JSONScanner.parse(bytes)
  }
}
