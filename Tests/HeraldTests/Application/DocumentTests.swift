import Foundation
import HTTP
import JSON
import Logging
import Testing

@testable import Herald

/// The OpenAPI document as all endpoints together make it.
@Suite("OpenAPI document", .segmentDatabase)
struct DocumentTests {
  private static func application() -> Application {
    Application(
      pool: SegmentFixture.db.pool, registry: AdapterRegistry([]), secrets: .random(),
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
  }

  private static func document() async throws -> JSONValue {
    let endpoint = try #require(application().endpoints.first { $0.pattern == "/openapi.json" })
    let response = try await endpoint.handler(
      Call(request: Request(), caller: SegmentFixture.caller, now: SegmentFixture.now))
    guard case .bytes(let bytes) = response.body else { return .null }
    return try JSONScanner.parse(bytes)
  }

  private func references(_ value: JSONValue) -> [String] {
    switch value {
    case .array(let elements): return elements.flatMap(references)
    case .object(let object):
      return object.flatMap { key, value in
        key == "$ref" ? [value.stringValue ?? "?"] : references(value)
      }
    default: return []
    }
  }

  @Test("every reference leads to a component")
  func references() async throws {
    let document = try await Self.document()
    let all = Set(references(document))
    #expect(all.contains("#/components/schemas/Condition_window"))
    for reference in all {
      let path = reference.split(separator: "/").dropFirst()
      let found = path.reduce(document as JSONValue?) { $0?[String($1)] }
      #expect(found != nil, "\(reference) leads nowhere")
    }
  }

  @Test("a path that may name nothing documents 404, or is written by its key")
  func notFound() {
    for endpoint in Self.application().endpoints where endpoint.pattern.contains("{") {
      #expect(
        endpoint.method == .put || endpoint.operation.errors.contains(.notFound),
        "\(endpoint.method.rawValue) \(endpoint.pattern)")
    }
  }

  @Test("a 400 is documented only where something can be malformed")
  func badRequest() {
    for endpoint in Self.application().endpoints where endpoint.method == .get {
      let documented = OpenAPI.generalErrors(endpoint).contains { $0.status == 400 }
      #expect(documented != endpoint.operation.query.isEmpty, "\(endpoint.pattern)")
    }
  }

  @Test("operation ids are unique")
  func ids() {
    let ids = Self.application().endpoints.map(\.operation.id)
    #expect(Set(ids).count == ids.count)
  }
}

/// What holds of every request before its handler is asked.
@Suite("Admission of requests", .segmentDatabase)
struct AdmissionTests {
  private static let bulk = Operation(
    "bulk", "", tag: "", query: [.init("name", Schema.string, "")], request: Schema.string,
    requestTypes: ["text/csv"], responses: [204: nil], errors: [.notFound])
  private static let json = Operation("json", "", tag: "", request: Schema.any, responses: [:])

  private func answer(
    _ request: Request, _ operation: Herald.Operation = bulk,
    access: Endpoint.Access = .open, keys: Keys = Keys(db: SegmentFixture.db),
    method: HTTPMethod = .put
  ) async -> Int {
    let runner = EndpointRunner(
      keys: keys, idempotency: Idempotency(db: SegmentFixture.db),
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
      now: { SegmentFixture.now })
    let endpoint = Endpoint(method, "/things/{key}", access, operation) { _ in .noContent }
    guard case .async(let handle) = runner.route(endpoint).handler else { return 0 }
    return await handle(request).status
  }

  @Test(
    "a body of another type is a 415; one without a type is read",
    arguments: [
      (nil, 204), ("text/csv", 204), ("Text/CSV; charset=utf-8", 204), ("application/json", 415),
      ("image/png", 415),
    ] as [(String?, Int)])
  func mediaType(type: String?, status: Int) async {
    var request = Request(body: Array("a".utf8))
    request.headers["content-type"] = type
    #expect(await answer(request) == status)
  }

  @Test(
    "JSON comes under its own types",
    arguments: [
      ("application/json", true), ("application/merge-patch+json;v=1", true), ("text/csv", false),
      ("application/x-www-form-urlencoded", false),
    ])
  func jsonTypes(type: String, taken: Bool) {
    #expect(Self.json.takes(contentType: type) == taken)
  }

  @Test("U+0000 in a path is a 404, in a query a 400")
  func noNUL() async {
    #expect(await answer(Request(parameters: ["key": "a\u{0}"])) == 404)
    #expect(await answer(Request(query: [("name", "a\u{0}")])) == 400)
    #expect(await answer(Request(query: [("other", "a\u{0}")])) == 204)
  }

  @Test(
    "an Idempotency-Key is printable ASCII, quoted or not",
    arguments: [
      ("k-1", 204), ("\"k-2\"", 204), ("", 400), ("\"\"", 400), ("a b", 400), ("ключ", 400),
      (String(repeating: "k", count: 256), 400),
    ])
  func idempotencyKey(key: String, status: Int) async {
    var request = Request()
    request.headers["idempotency-key"] = key
    #expect(await answer(request, method: .post) == status)
  }

  @Test("an address that guesses keys is turned away, a key known as good is not")
  func throttle() async throws {
    let keys = Keys(db: SegmentFixture.db)
    let now = SegmentFixture.now
    let (_, secret) = try await keys.create(
      NewKey(name: "n", role: .operator, principal: "p"), by: SegmentFixture.caller, now: now)
    func status(_ key: String) async -> Int {
      var request = Request()
      request.headers["authorization"] = "Bearer \(key)"
      return await answer(request, access: .writers, keys: keys)
    }
    #expect(await status(secret) == 204)
    for number in 0..<Keys.failureLimit { #expect(await status("hk_\(number)") == 401) }
    #expect(await status("hk_more") == 429)
    #expect(await status(secret) == 204)
  }
}
