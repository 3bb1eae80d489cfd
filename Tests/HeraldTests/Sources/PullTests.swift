import Foundation
import HTTP
import HeraldTesting
import JSON
import Logging
import Postgres
import Synchronization
import Testing

@testable import Herald

/// A shop that sends no webhooks, on a real socket.
private final class Shop: Sendable {
  let orders: Mutex<[JSONValue]>
  let requests = Mutex<[String]>([])
  /// Status of the requests so numbered, from 0.
  let faults = Mutex<[Int: Int]>([:])

  init(_ count: Int) {
    orders = Mutex((1...count).map(Self.order))
  }

  static func order(_ id: Int) -> JSONValue {
    let at = Date(timeIntervalSince1970: 1_792_000_000 + Double(id))
    return ["id": .int(id), "customer": .string("c-\(id % 7)"), "updated_at": .instant(at)]
  }

  /// Ten a page; the answer names the next one in each way there is.
  func answer(_ request: ClientRequest) async -> (status: Int, body: JSONValue) {
    let number = requests.withLock { requests in
      requests.append(request.url)
      return requests.count - 1
    }
    if let status = faults.withLock({ $0[number] }) { return (status, ["error": "fault"]) }
    let query = URLComponents(string: request.url)?.queryItems ?? []
    func value(_ name: String) -> String? { query.first { $0.name == name }?.value }
    var all = orders.withLock { $0 }
    if let since = value("since") {
      all = all.filter { ($0["updated_at"]?.stringValue ?? "") >= since }
    }
    if let last = value("after").flatMap({ Int($0) }) {
      all = all.filter { ($0["id"]?.intValue ?? 0) > last }
    }
    let page = value("page").flatMap { Int($0) } ?? 1
    let items = Array(all.dropFirst((page - 1) * 10).prefix(10))
    let more = all.count > page * 10
    let since = value("since").map { "&since=\($0)" } ?? ""
    return (
      200,
      [
        "orders": .array(items), "token": more ? .int(page + 1) : .null,
        "next": more ? .string("/orders?page=\(page + 1)\(since)") : .null,
      ]
    )
  }
}

@Suite("Pulls of sources")
struct PullTests {
  private struct Scene {
    let sources: Sources
    let clock = TestClock()
    let shop: Shop
    let server: Server
    let base: String
    let client: HTTPClient
    let wake = Wake()

    func puller() -> SourcePuller {
      SourcePuller(
        db: sources.db, sources: sources, fetch: { [client] in await client.send($0) }, wake: wake,
        now: { [clock] in clock.now }, logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
    }

    func put(_ pull: JSONObject = [:]) async throws {
      var document: JSONObject = [
        "url": .string("\(base)/orders"), "every": "10m", "items": "/orders",
        "headers": ["authorization": ["secret": "Bearer abc"], "x-shop": "one"],
        "cursor": ["pointer": "/updated_at", "parameter": "since"], "next": "/next",
      ]
      for (key, value) in pull { document[key] = value.isNull ? nil : value }
      let faults = Faults()
      let whole: JSONValue = [
        "pull": .object(document),
        "mapping": [
          "user": ["external_id": "/customer"], "event": "order_paid", "timestamp": "/updated_at",
          "message_id": "{{ item.id }}",
        ],
      ]
      let reader = try #require(ObjectReader(whole, faults: faults))
      let draft = try #require(
        SourceDraft(key: "orders", reader, allowPrivate: true), "\(faults.all)")
      _ = try await sources.put(draft, expecting: nil, by: .herald, now: clock.now)
    }

    func state() async throws -> PullState {
      try #require(try await sources.get("orders").pull)
    }

    func events() async throws -> [Int] {
      try await sources.db.read { db in
        try db.one(
          """
          SELECT count(*), count(DISTINCT message_id) FROM events WHERE source = 'source:orders'
          """
        ).map { [try $0.get(0), try $0.get(1)] } ?? []
      }
    }
  }

  private func withShop(_ count: Int = 35, _ body: (Scene) async throws -> Void) async throws {
    try await withDatabase(migrations: HeraldSchema.migrations) {
      let logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
      let shop = Shop(count)
      let route = Route(
        .get, "/orders",
        handler: .async { request in
          let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
          let target = "http://shop/orders" + (query.isEmpty ? "" : "?\(query)")
          guard request.headers["authorization"] == "Bearer abc" else {
            return .json(401, ["error": "who are you"])
          }
          let (status, json) = await shop.answer(ClientRequest(url: target))
          var response = Response.json(status, json)
          if let next = json["next"]?.stringValue {
            response.headers["link"] = "<\(next)>; rel=\"next\", </x>; rel=\"last\""
          }
          if status == 429 { response.headers["retry-after"] = "120" }
          return response
        })
      var configuration = ServerConfiguration()
      configuration.port = 0
      let server = Server(
        router: try Router([route]), configuration: configuration, logger: logger)
      let port = try server.start()
      let client = HTTPClient(ClientConfiguration(allowPrivateAddresses: true), logger: logger)
      let sources = Sources(
        db: Database(pool: TestDatabase.current.pool), secrets: .random(), events: EventIntake(),
        allowPrivate: true, wake: Wake())
      let scene = Scene(
        sources: sources, shop: shop, server: server, base: "http://127.0.0.1:\(port)",
        client: client)
      let result: Result<Void, any Error>
      do { result = .success(try await body(scene)) } catch { result = .failure(error) }
      await client.shutdown(grace: .zero)
      await server.shutdown(grace: .zero)
      try result.get()
    }
  }

  @Test(
    "follow the pages however they are named, and end",
    arguments: [
      "/next", ["url": "/next"], ["link": "next"], ["page": "page"],
      ["token": "/token", "parameter": "page"], ["last": "/id", "parameter": "after"],
    ] as [JSONValue])
  func paging(_ next: JSONValue) async throws {
    try await withShop { scene in
      try await scene.put(["next": next])
      let puller = scene.puller()
      #expect(try await puller.runNext())
      #expect(try await scene.events() == [35, 35])
      let state = try await scene.state()
      #expect(state.error == nil)
      #expect(state.cursor == Shop.order(35)["updated_at"])
      #expect(state.lastRun?["accepted"] == 35)
      #expect(try await !puller.runNext(), "it is not due again")
    }
  }

  @Test("begin behind what was seen, when they are due again or asked for")
  func cursor() async throws {
    try await withShop { scene in
      try await scene.put()
      let puller = scene.puller()
      _ = try await puller.runNext()
      scene.shop.orders.withLock { $0 += (36...40).map(Shop.order) }
      scene.clock.advance(by: 599)
      #expect(try await !puller.runNext())
      scene.clock.advance(by: 1)
      #expect(try await puller.runNext())
      #expect(try await scene.events() == [40, 40])
      // The order at the cursor comes again: it is known.
      let run = try await scene.state().lastRun
      #expect(run?["pages"] == 1 && run?["accepted"] == 5 && run?["duplicates"] == 1)
      _ = try await scene.sources.pull("orders", by: .herald, now: scene.clock.now)
      #expect(try await puller.runNext())
    }
  }

  @Test("go on where the pages of a process that died ended")
  func killed() async throws {
    try await withShop { scene in
      try await scene.put()
      // The process is gone while it waits for the third page.
      let gate = Wake()
      let client = scene.client
      let dying = SourcePuller(
        db: scene.sources.db, sources: scene.sources,
        fetch: { request in
          guard request.url.contains("page=3") else { return await client.send(request) }
          gate.call()
          try? await Task.sleep(for: .seconds(600))
          return .unknown(reason: "dead")
        }, wake: scene.wake, now: { [clock = scene.clock] in clock.now },
        logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
      let first = Task { try await dying.runNext() }
      await gate.wait(atMost: .seconds(60))
      #expect(try await scene.events() == [20, 20])
      let second = scene.puller()
      #expect(try await !second.runNext(), "two never pull one source")
      first.cancel()
      _ = try await first.value
      #expect(try await !second.runNext(), "the lease still holds")
      try await scene.sources.db.pool.write { tx in
        _ = try tx.execute("UPDATE source_pulls SET leased_until = clock_timestamp()")
      }
      #expect(try await second.runNext())
      #expect(try await scene.events() == [35, 35])
      let asked = scene.shop.requests.withLock { $0 }
      #expect(asked.count == 4, "\(asked)")
      #expect(asked.count { $0.contains("page=2") } == 1)
    }
  }

  @Test("whose lease was taken over store nothing more")
  func fenced() async throws {
    try await withShop { scene in
      try await scene.put()
      let client = scene.client
      let pool = scene.sources.db.pool
      let stalled = SourcePuller(
        db: scene.sources.db, sources: scene.sources,
        fetch: { request in
          let outcome = await client.send(request)
          _ = try? await pool.write { tx in
            try tx.execute("UPDATE source_pulls SET lease = gen_random_uuid()")
          }
          return outcome
        }, wake: scene.wake, now: { [clock = scene.clock] in clock.now },
        logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
      #expect(try await stalled.runNext())
      #expect(try await scene.events() == [0, 0])
    }
  }

  @Test("wait longer after each error, as long as the server asks, and go on at the same page")
  func errors() async throws {
    try await withShop { scene in
      try await scene.put()
      scene.shop.faults.withLock { $0 = [1: 500, 2: 429] }
      let puller = scene.puller()
      #expect(try await puller.runNext())
      var state = try await scene.state()
      #expect(state.error == "The answer was HTTP 500.")
      #expect(state.failures == 1)
      #expect(try await scene.events() == [10, 10])
      #expect(try await !puller.runNext())
      scene.clock.advance(by: 13)
      #expect(try await puller.runNext())
      state = try await scene.state()
      #expect(state.failures == 2)
      #expect(state.nextAt >= scene.clock.now.addingTimeInterval(119))
      scene.clock.advance(by: 125)
      #expect(try await puller.runNext())
      state = try await scene.state()
      #expect(state.error == nil && state.failures == 0)
      #expect(try await scene.events() == [35, 35])
      #expect(scene.shop.requests.withLock { $0.count } == 6)
    }
  }

  @Test("begin anew when the page they stand at is refused again and again")
  func restarts() async throws {
    try await withShop { scene in
      try await scene.put()
      scene.shop.faults.withLock { $0 = [1: 410, 2: 410, 3: 410] }
      let puller = scene.puller()
      for _ in 0..<3 {
        #expect(try await puller.runNext())
        scene.clock.advance(by: 100)
      }
      #expect(try await scene.state().progress == nil)
      #expect(try await puller.runNext())
      #expect(try await scene.events() == [35, 35])
    }
  }

  @Test("never carry their headers to another server")
  func origin() async throws {
    let pull = SourcePull(
      url: "https://shop.example/orders", headers: [], every: .webhookTolerance, items: .root,
      next: .link, cursor: nil, timeout: .webhookTolerance)
    func next(_ link: String) throws -> PullPosition? {
      try pull.position(
        after: PulledPage(url: pull.url, body: [], link: link), at: .first, [1])
    }
    #expect(try next("<?page=2>; rel=next") == .url("https://shop.example/orders?page=2"))
    #expect(try next("<https://shop.example:443/b>; rel=\"next\"") != nil)
    #expect(try next("</b>; rel=\"prev\"") == nil)
    for target in [
      "https://evil.example/x", "http://shop.example/x", "//evil.example",
      "https://shop.example:8443/",
    ] {
      #expect(throws: PullFault.self) { try next("<\(target)>; rel=\"next\"") }
    }
    #expect(throws: PullFault.self) { try next("<https://shop.example/orders>; rel=next") }
  }

  @Test("to private addresses are refused when they are not allowed")
  func wall() throws {
    let faults = Faults()
    var secrets = SecretFields()
    let document: JSONValue = ["url": "http://169.254.169.254/latest", "every": "10m"]
    let reader = try #require(ObjectReader(document, faults: faults))
    let parsed = SourcePull(reader, allowPrivate: false, &secrets)
    #expect(parsed == nil)
    #expect(faults.all.map(\.pointer.description) == ["/url"])
  }

  @Test("keep their cursor when another field changes, and lose it with its rule")
  func changed() async throws {
    try await withShop { scene in
      try await scene.put()
      _ = try await scene.puller().runNext()
      try await scene.put(["every": "20m"])
      #expect(try await scene.state().cursor != nil)
      try await scene.put(["cursor": ["pointer": "/id", "parameter": "after"]])
      #expect(try await scene.state().cursor == nil)
      try await scene.put()
      try await scene.sources.delete("orders", by: .herald, now: scene.clock.now)
      #expect(try await !scene.puller().runNext())
    }
  }
}
