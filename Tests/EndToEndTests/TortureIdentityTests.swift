import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Synchronization
import Testing

extension Torture {
  @Suite("Torture: identities")
  struct Identities {
    let form = TortureForm.current
    private static let clients = 8

    @Test("eight clients, every claim, any order: one user for each person")
    func partition() async throws {
      let seeds =
        ProcessInfo.processInfo.environment["HERALD_SEED"] == nil
        ? (0..<form.pick(short: 1, long: 20)).map { form.seed &+ UInt64($0) } : [form.seed]
      for seed in seeds {
        var random = TortureRandom(seed: seed)
        let truth = IdentityTruth(count: form.pick(short: 200, long: 10_000), using: &random)
        try await TortureScene.run { scene in
          let herald = try scene.start()
          try await scene.ready(herald)
          let began = ContinuousClock.now
          let crowd = Crowd(truth, seed: seed, scene.api)
          await crowd.send(clients: Self.clients)
          let seconds = (ContinuousClock.now - began).components.seconds
          print(
            "Torture identities: HERALD_SEED=\(seed), \(truth.people.count) people, "
              + "\(truth.claims.count) claims in \(seconds) s: \(crowd.summary)")
          #expect(crowd.faults.isEmpty, "HERALD_SEED=\(seed) \(crowd.faults.first ?? "")")
          try await judge(truth, crowd, seed, scene)
          herald.signal(SIGTERM)
          #expect(await herald.end(within: .seconds(30)) == 0, "\(herald.output.suffix(2000))")
        }
      }
    }

    private func judge(
      _ truth: IdentityTruth, _ crowd: Crowd, _ seed: UInt64, _ scene: TortureScene
    ) async throws {
      let rows = try await scene.look { db in
        try db.query("SELECT user_id, kind, value FROM identities").map {
          (
            user: try $0.get(0, as: UUID.self), kind: try $0.get(1, as: String.self),
            value: try $0.get(2, as: String.self)
          )
        }
      }
      let found = Dictionary(grouping: rows, by: \.user).values.map { identities in
        Dictionary(grouping: identities, by: \.kind).mapValues { $0.map(\.value).sorted() }
      }
      #expect(found.count == truth.people.count, "HERALD_SEED=\(seed)")
      #expect(Set(found) == Set(truth.people), "HERALD_SEED=\(seed)")
      func count(_ sql: SQL) async throws -> Int {
        try await scene.look { try $0.one(sql)?.get(0, as: Int.self) } ?? -1
      }
      #expect(try await count("SELECT count(*) FROM users") == truth.people.count)
      #expect(try await count("SELECT count(*) FROM identity_conflicts") == 0)
      let lost = try await count(
        """
        SELECT count(*) FROM user_aliases a LEFT JOIN users u ON u.id = a.user_id
        WHERE u.id IS NULL
        """)
      #expect(lost == 0)
      #expect(
        try await count("SELECT count(*) FROM events e JOIN users u ON u.id = e.user_id")
          == crowd.events)
    }
  }
}

/// Clients that send their claims in requests of any size, by turns as events and as upserts.
private final class Crowd: Sendable {
  private struct State {
    var answers: [Int: Int] = [:]
    var events = 0
    var faults: [String] = []
  }

  private let truth: IdentityTruth
  private let seed: UInt64
  private let api: APIClient
  private let state = Mutex(State())

  init(_ truth: IdentityTruth, seed: UInt64, _ api: APIClient) {
    self.truth = truth
    self.seed = seed
    self.api = api
  }

  var events: Int { state.withLock { $0.events } }
  var faults: [String] { state.withLock { $0.faults } }
  var summary: String {
    state.withLock { state in
      state.answers.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
        .joined(separator: ", ")
    }
  }

  func send(clients: Int) async {
    await withTaskGroup(of: Void.self) { group in
      for client in 0..<clients { group.addTask { await self.send(as: client, of: clients) } }
    }
  }

  private func send(as client: Int, of clients: Int) async {
    var random = TortureRandom(seed: seed &+ UInt64(client) &+ 1)
    let places = Array(stride(from: client, to: truth.claims.count, by: clients))
    var start = 0
    while start < places.count {
      let size = Int.random(in: 1...(Bool.random(using: &random) ? 20 : 1000), using: &random)
      let some = places[start..<min(places.count, start + size)]
      start += size
      await send(Array(some), asEvents: Bool.random(using: &random))
    }
  }

  /// Again while it is too much at once.
  private func send(_ places: [Int], asEvents: Bool) async {
    let body: JSONValue =
      asEvents
      ? [
        "events": .array(
          places.map {
            [
              "user": .object(truth.claims[$0]), "name": "seen", "message_id": .string("m-\($0)"),
            ]
          })
      ] : ["users": .array(places.map { ["identities": .object(truth.claims[$0])] })]
    while true {
      let outcome = await api.send("POST", asEvents ? "/v1/events" : "/v1/users/batch", body)
      guard case .response(let response) = outcome else {
        return state.withLock { $0.faults.append("\(outcome)") }
      }
      state.withLock { $0.answers[response.status, default: 0] += 1 }
      if [429, 503].contains(response.status) {
        try? await Task.sleep(for: .milliseconds(100))
        continue
      }
      let json = (try? JSONScanner.parse(response.body)) ?? .null
      let isGood =
        asEvents
        ? json["accepted"]?.intValue == places.count
        : json["results"]?.arrayValue?.allSatisfy {
          [200, 201].contains($0["status"]?.intValue)
        } ?? false
      return state.withLock { state in
        if asEvents { state.events += places.count }
        guard response.status == 200, isGood else {
          let text = String(decoding: response.body.prefix(500), as: UTF8.self)
          return state.faults.append("\(response.status) \(text)")
        }
      }
    }
  }
}
