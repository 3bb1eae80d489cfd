import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// Many clients claim overlapping identities of the same people in random order. `make test` runs a
/// short form, `HERALD_TORTURE=long` the long one: 10,000 people, 20 seeds.
@Suite("Who is whom, whatever the order")
struct IdentityOrderTests {
  private static let isLong = ProcessInfo.processInfo.environment["HERALD_TORTURE"] == "long"
  private static let clients = 8

  static var seeds: [UInt64] {
    if let seed = ProcessInfo.processInfo.environment["HERALD_SEED"].flatMap({ UInt64($0) }) {
      return [seed]
    }
    return (0..<(isLong ? 20 : 2)).map { _ in .random(in: 1...999_999_999) }
  }

  /// A person's identities, and claims that hold them together: each of two or three, in such a way
  /// that no order leaves them unconnected.
  private struct Truth {
    var people: [[String: [String]]] = []
    var claims: [JSONObject] = []

    init(count: Int, using random: inout SeededRandom) {
      for number in 0..<count {
        let all: [(kind: String, value: String)] =
          [("external_id", "u-\(number)"), ("email", "p\(number)@example.com")]
          + (0..<Int.random(in: 1...3, using: &random)).map {
            ("phone", "+86138\(String(format: "%07d", number))\($0)")
          }
          + (0..<Int.random(in: 1...3, using: &random)).map {
            ("anonymous_id", "a-\(number)-\($0)")
          }
        people.append(Dictionary(grouping: all, by: \.kind).mapValues { $0.map(\.value).sorted() })
        let shuffled = all.shuffled(using: &random)
        for place in shuffled.indices.dropFirst() {
          add([shuffled[place], shuffled[Int.random(in: 0..<place, using: &random)]])
        }
        for _ in 0..<2 { add(Array(all.shuffled(using: &random).prefix(3))) }
        for identity in all where Bool.random(using: &random) { add([identity]) }
      }
      claims.shuffle(using: &random)
    }

    private mutating func add(_ identities: [(kind: String, value: String)]) {
      var claim = JSONObject()
      // An object names a kind once; two phones of one person come together as a list elsewhere.
      for (kind, value) in identities where claim[kind] == nil { claim[kind] = .string(value) }
      guard claim.count == identities.count else {
        // Through the external_id instead, so that the two stay connected.
        for (kind, value) in identities where kind != "external_id" {
          claims.append([
            kind: .string(value), "external_id": .string("u-\(people.count - 1)"),
          ])
        }
        return
      }
      claims.append(claim)
    }
  }

  @Test("eight clients, every claim, any order: one user for each person", arguments: seeds)
  func partition(seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    let truth = Truth(count: Self.isLong ? 10_000 : 250, using: &random)
    print("identities of \(truth.people.count) people in random order, HERALD_SEED=\(seed)")
    try await PeopleAPI.with { api in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for client in 0..<Self.clients {
          let own = truth.claims.enumerated().filter { $0.offset % Self.clients == client }
            .map(\.element)
          group.addTask { try await Self.send(own, to: api, as: client) }
        }
        try await group.waitForAll()
      }
      let rows = try await api.db.read { db in
        try db.query("SELECT user_id, kind, value FROM identities ORDER BY kind, value").map {
          (
            user: try $0.get(0, as: UUID.self), kind: try $0.get(1, as: String.self),
            value: try $0.get(2, as: String.self)
          )
        }
      }
      let found = Dictionary(grouping: rows, by: \.user).values.map { identities in
        Dictionary(grouping: identities, by: \.kind).mapValues { $0.map(\.value).sorted() }
      }
      #expect(Set(found) == Set(truth.people), "HERALD_SEED=\(seed)")
      #expect(found.count == truth.people.count)
      #expect(try await api.count("SELECT count(*) FROM users") == truth.people.count)
      #expect(
        try await api.count(
          "SELECT count(*) FROM user_aliases a LEFT JOIN users u ON u.id = a.user_id WHERE u.id IS NULL"
        ) == 0)
      #expect(try await api.count("SELECT count(*) FROM identity_conflicts") == 0)
      let events = truth.claims.enumerated().filter { Self.isEvent($0.offset / Self.clients) }.count
      #expect(
        try await api.count("SELECT count(*) FROM events e JOIN users u ON u.id = e.user_id")
          == events)
    }
  }

  private static func isEvent(_ place: Int) -> Bool { place / 20 % 2 == 0 }

  /// Twenty at a time, by turns as events and as upserts.
  private static func send(
    _ claims: [JSONObject], to api: PeopleAPI, as client: Int
  ) async throws {
    for start in stride(from: 0, to: claims.count, by: 20) {
      let some = claims[start..<min(start + 20, claims.count)]
      if isEvent(start) {
        let events = some.map { ["user": .object($0), "name": "seen"] as JSONValue }
        let answer = try await api.call(.post, "/v1/events", ["events": .array(events)])
        #expect(answer.json["accepted"]?.intValue == some.count, "\(answer.text)")
      } else {
        let users = some.map { ["identities": .object($0)] as JSONValue }
        let answer = try await api.call(.post, "/v1/users/batch", ["users": .array(users)])
        let statuses = answer.json["results"]?.arrayValue?.compactMap { $0["status"]?.intValue }
        #expect(statuses?.allSatisfy { [200, 201].contains($0) } ?? false, "\(answer.text)")
      }
    }
  }
}
