import Conditions
import Foundation
import HTTP
import JSON
import Logging
import Testing

@testable import Herald

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

  @Test("a parameter that nobody would read is a 400, where there are others to mistake it for")
  func unread() async throws {
    #expect(await answer(Request(query: [("nam", "a")])) == 400)
    #expect(await answer(Request(query: [("nam", "a")]), Self.json) == 204)
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let told = try await scene.herald.call(
        .get, "/v1/plans/hello/deliveries?state=sent", key: scene.admin)
      #expect(told.status == 400 && told.code == "invalid_parameter")
      #expect(told.json["pointer"] == "state")
      #expect(told.json["detail"]?.stringValue?.contains("There are limit, after, status") ?? false)
      let slip = try await scene.herald.call(
        .get, "/v1/plans/hello/deliveries?statu=sent", key: scene.admin)
      #expect(slip.json["detail"]?.stringValue?.contains("Did you mean `status`?") ?? false)
    }
  }

  @Test("U+0000 in a path is a 404, in a query a 400")
  func noNUL() async {
    #expect(await answer(Request(parameters: ["key": "a\u{0}"])) == 404)
    #expect(await answer(Request(query: [("name", "a\u{0}")])) == 400)
    #expect(await answer(Request(query: [("name", "a")])) == 204)
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
    #expect(await answer(Request(), access: .writers, keys: keys) == 401)
    #expect(await status(secret) == 204)
  }

  @Test("a key's scope must name what there is; a stored one that does not is a 403")
  func scope() async throws {
    let scope = try Condition.stored(["segment": "no-such-one"])
    let new = NewKey(name: "n", role: .operator, principal: "p", userScope: scope)
    let refused = await #expect(throws: HeraldError.self) {
      try await Keys(db: SegmentFixture.db).create(
        new, by: SegmentFixture.caller, now: SegmentFixture.now)
    }
    #expect(refused?.code == .invalid)
    #expect(refused?.pointer == "/user_scope/segment")
    let caller = Caller(keyID: UUID(), principal: "p", role: .operator, userScope: scope)
    let unknown = await #expect(throws: HeraldError.self) {
      try await SegmentFixture.db.read { db in
        _ = try UserScope.predicate(caller, now: SegmentFixture.now, in: db)
      }
    }
    #expect(unknown?.code == .forbidden)
  }
}
