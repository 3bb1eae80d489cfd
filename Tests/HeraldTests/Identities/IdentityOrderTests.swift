import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

/// Many clients claim overlapping identities of the same people in random order. The long form, 10,000
/// people and 20 seeds, runs against the program: `Torture: identities`.
@Suite("Who is whom, whatever the order")
struct IdentityOrderTests {
  private static let clients = 8

  static var seeds: [UInt64] {
    if let seed = ProcessInfo.processInfo.environment["HERALD_SEED"].flatMap({ UInt64($0) }) {
      return [seed]
    }
    return (0..<2).map { _ in .random(in: 1...999_999_999) }
  }

  @Test("eight clients, every claim, any order: one user for each person", arguments: seeds)
  func partition(seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    let truth = IdentityTruth(count: 250, using: &random)
    print("identities of \(truth.people.count) people in random order, HERALD_SEED=\(seed)")
    try await PeopleAPI.with { api in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for client in 0..<Self.clients {
          let own = truth.claims.enumerated().filter { $0.offset % Self.clients == client }
            .map(\.element)
          group.addTask { try await Self.send(own, to: api) }
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
  private static func send(_ claims: [JSONObject], to api: PeopleAPI) async throws {
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
