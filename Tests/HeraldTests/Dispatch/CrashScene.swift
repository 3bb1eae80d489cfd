import Foundation
import HTTP
import HeraldTesting
import JSON
import Logging
import Migrations
import Postgres
import Synchronization
import Testing

@testable import Herald

/// A launched plan of one SMS per person in one lane of the queue, and a dispatcher in this process:
/// what a crash leaves is written into the queue by hand.
struct CrashScene: Sendable {
  let app: Application
  let script: CrashScript
  private let router: Router

  /// - Parameter safe: whether the sender `main` may resend.
  static func with(
    people: Int, safe: Bool, dispatch: DispatchSettings = DispatchSettings(),
    _ body: (CrashScene) async throws -> Void
  ) async throws {
    try await withDatabase(migrations: HeraldSchema.migrations) {
      let script = CrashScript()
      let app = Application(
        pool: TestDatabase.current.pool, registry: script.registry, secrets: .random(),
        dispatch: dispatch, now: { script.now },
        logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
      let router = try Router(
        app.endpoints.map {
          Route($0.method, $0.pattern, handler: .immediate { _ in .noContent })
        })
      let scene = CrashScene(app: app, script: script, router: router)
      try await scene.prepare(people, safe)
      try await body(scene)
    }
  }

  private func prepare(_ people: Int, _ safe: Bool) async throws {
    let users = (0..<people).map { index -> JSONValue in
      [
        "identities": [
          "external_id": .string("u-\(index)"), "phone": .string("+86138\(10_000_000 + index)"),
        ],
        "consents": ["sms": "granted"],
      ]
    }
    try await call(.post, "/v1/users/batch", ["users": .array(users)])
    try await sender("main", safe: safe, weight: 100)
    try await call(
      .put, "/v1/segments/all", ["name": "All", "refresh": "live", "condition": ["all": []]])
    try await call(
      .put, "/v1/templates/m",
      ["channel": "sms", "content": ["text": "Hi", "signature": "Herald"]])
    try await call(
      .put, "/v1/plans/p",
      [
        "name": "P", "trigger": ["segment": "all", "at": "now"],
        "steps": [["id": "hello", "send": ["chain": [["channel": "sms", "template": "m"]]]]],
      ])
  }

  /// The plan with other steps, each of one SMS.
  func put(steps: [String]) async throws {
    try await call(
      .put, "/v1/plans/p",
      [
        "name": "P", "trigger": ["segment": "all", "at": "now"],
        "steps": .array(
          steps.map {
            ["id": .string($0), "send": ["chain": [["channel": "sms", "template": "m"]]]]
          }),
      ])
  }

  func sender(_ key: String, safe: Bool, weight: Int) async throws {
    try await call(
      .put, "/v1/senders/\(key)",
      [
        "channel": "sms", "adapter": "script", "config": ["safe": .bool(safe)],
        "weight": .int(weight),
      ])
  }

  /// What is due at once from here on.
  func approve() async throws {
    let submitted = try await call(.post, "/v1/plans/p/submit", ["comment": "please"])
    let approval = submitted["approval"]?.stringValue ?? ""
    try await call(
      .post, "/v1/approvals/\(approval)/approve", ["hash": submitted["hash"] ?? .null],
      as: Caller(keyID: UUID(), principal: "wang.fang", role: .approver))
  }

  /// Approves and enters everybody; nothing is handed over yet.
  func launch() async throws {
    try await approve()
    try await execute("INSERT INTO stops VALUES ('all', 'test', 'not yet', now())")
    try await app.dispatcher.drain()
    try await execute("DELETE FROM stops")
    try await execute("UPDATE queue SET lane = 0")
  }

  @discardableResult
  func call(
    _ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil,
    as caller: Caller = Caller(keyID: UUID(), principal: "li.lei", role: .admin)
  ) async throws -> JSONValue {
    guard case .found(let route, let parameters) = router.match(method, path),
      let endpoint = app.endpoints.first(where: {
        $0.method == method && $0.pattern == route.pattern
      })
    else { throw HeraldError(.notFound, path) }
    let request = Request(
      method: method, path: path, query: [], headers: [:], body: body?.bytes ?? [],
      requestID: "r", parameters: parameters, pattern: route.pattern)
    let response = try await endpoint.handler(
      Call(request: request, caller: caller, now: script.now))
    guard case .bytes(let bytes) = response.body else { return .null }
    return try JSONScanner.parse(bytes)
  }

  func execute(_ sql: SQL) async throws {
    try await app.db.pool.write { tx in _ = try tx.execute(sql) }
  }

  func text(_ sql: SQL) async throws -> String {
    try await app.db.read { try $0.one(sql)?.get(0, as: String?.self) ?? "" }
  }

  /// `sent`, `unknown interrupted`, … with how many deliveries ended so.
  func ends() async throws -> [String: Int] {
    let rows = try await app.db.read { db in
      try db.query(
        "SELECT concat_ws(' ', status, reason), count(*) FROM deliveries GROUP BY 1"
      ).map { (try $0.get(0, as: String.self), try $0.get(1, as: Int.self)) }
    }
    return Dictionary(rows, uniquingKeysWith: +)
  }

  /// Claims as a worker does.
  func claim(limit: Int = 400) async throws -> (lease: Lease, entries: [QueueEntry]) {
    let lease = Lease(lanes: [0], seconds: 30)
    let now = script.now
    let entries = try await app.db.dispatch { tx in
      try QueueStore.claim(lease, limit: limit, now: now, in: tx)
    }
    return (lease, entries)
  }

  /// What a worker leaves that vanished: its leases run out.
  func expire() async throws {
    try await execute(
      "UPDATE queue SET leased_until = clock_timestamp() - interval '1 s' WHERE lease IS NOT NULL")
  }

  /// Hands everything over through `sender` and vanishes.
  func vanishInFlight(_ sender: String = "main") async throws {
    try await execute(
      """
      UPDATE queue SET sender = \(sender), content = '{"signature": "Herald", "text": "Hi"}',
        claims = 1, lease = gen_random_uuid(), handed_over_at = clock_timestamp(),
        leased_until = clock_timestamp() - interval '1 s'
      """)
  }

  func isBalanced() async throws -> Bool {
    try await call(.get, "/v1/plans/p/accounting")["balanced"]?.boolValue ?? false
  }
}

/// What the providers do, and what they were called with.
final class CrashScript: Sendable {
  typealias Reply = @Sendable (OutboundMessage) async throws -> AttemptOutcome

  private struct State {
    var now = Date(timeIntervalSince1970: 1_793_000_000)
    var calls: [(sender: String, message: OutboundMessage)] = []
    var reply: Reply = { _ in .sent(providerID: nil) }
  }

  private let state = Mutex(State())

  var now: Date { state.withLock { $0.now } }
  var calls: [(sender: String, message: OutboundMessage)] { state.withLock { $0.calls } }

  func advance(by seconds: TimeInterval) {
    state.withLock { $0.now = $0.now.addingTimeInterval(seconds) }
  }

  func reply(_ reply: @escaping Reply) { state.withLock { $0.reply = reply } }

  fileprivate func take(_ message: OutboundMessage, _ sender: String) async -> AttemptOutcome {
    let reply = state.withLock { state in
      state.calls.append((sender, message))
      return state.reply
    }
    do {
      return try await reply(message)
    } catch {
      Issue.record(error)
      return .unknown(reason: "\(error)")
    }
  }

  var registry: AdapterRegistry {
    AdapterRegistry([
      AdapterKind(
        name: "script", channels: [.sms], configSchema: Schema.object(["safe": Schema.bool]),
        secretFields: [],
        validate: { config, pointer, faults in
          guard let reader = ObjectReader(config, at: pointer, faults: faults) else { return }
          _ = reader.bool("safe")
          reader.finish()
        },
        make: {
          ScriptedAdapter(
            script: self, sender: $0.key, resendsSafely: $0.config["safe"] == true)
        })
    ])
  }
}

private struct ScriptedAdapter: ChannelAdapter {
  let script: CrashScript
  let sender: String
  let resendsSafely: Bool

  func send(_ message: OutboundMessage) async -> AttemptOutcome {
    await script.take(message, sender)
  }

  func receipts(_ request: Request, now: Date) throws -> ReceiptBatch {
    let body = try JSONScanner.parse(request.body)
    guard let id = body["delivery_id"]?.stringValue.flatMap(UUID.init(uuidString:)) else {
      throw HeraldError(.invalid, "not a receipt")
    }
    return ReceiptBatch(receipts: [Receipt(index: 0, deliveryID: id, event: .delivered, at: now)])
  }
}
