import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// Merges, writes and undos in random order, against a model that knows for each of the users that
/// ever were what came in on them.
@Suite("Merge, write on, undo: everything is where the rules put it")
struct MergePropertyTests {
  /// One of the users that ever were: what it was told by itself.
  private struct Part {
    var attributes: [String: (value: Int, at: Int)] = [:]
    var points = 0
    var tags: [String: (value: String, at: Int)] = [:]
    var consent: (state: String, at: Int)?
    var events: Set<String> = []
  }

  private struct Model {
    var parts: [Part]
    /// Merged to survivor, of the merges that stand, with the merge's id.
    var edges: [Int: (survivor: Int, merge: String)] = [:]

    func root(of part: Int) -> Int {
      var part = part
      while let edge = edges[part] { part = edge.survivor }
      return part
    }

    func members(of root: Int) -> [Int] { parts.indices.filter { self.root(of: $0) == root } }

    func attributes(of root: Int) -> [String: Int] {
      var newest: [String: (value: Int, at: Int)] = [:]
      for part in members(of: root) {
        for (key, written) in parts[part].attributes
        where written.at > newest[key]?.at ?? -1 { newest[key] = written }
      }
      var values = newest.mapValues(\.value)
      values["points"] = members(of: root).map { parts[$0].points }.reduce(0, +)
      return values
    }

    func tags(of root: Int) -> [String: String] {
      var newest: [String: (value: String, at: Int)] = [:]
      for part in members(of: root) {
        for (key, written) in parts[part].tags
        where written.at > newest[key]?.at ?? -1 { newest[key] = written }
      }
      return newest.mapValues(\.value)
    }

    func events(of root: Int) -> Set<String> {
      members(of: root).reduce(into: []) { $0.formUnion(parts[$1].events) }
    }
  }

  private static let people = 5
  private static let steps = 60

  @Test("one user's rows, another's, and theirs together", arguments: 0..<6)
  func property(number: Int) async throws {
    let seed = SeededRandom.seed &+ UInt64(number)
    var random = SeededRandom(seed: seed)
    try await PeopleAPI.with { api in
      _ = try await api.call(.put, "/v1/attributes/points", ["merge": "sum"])
      var model = Model(parts: [])
      for part in 0..<Self.people {
        let points = random.below(100)
        _ = try await api.call(
          .post, "/v1/users",
          ["identities": ["anonymous_id": "a-\(part)"], "attributes": ["points": .int(points)]],
          now: PeopleAPI.now.addingTimeInterval(Double(part)))
        model.parts.append(Part(points: points))
      }
      for step in 1...Self.steps {
        let now = PeopleAPI.now.addingTimeInterval(Double(step * 60))
        let part = random.below(Self.people)
        switch random.below(10) {
        case 0..<2: try await merge(part, random.below(Self.people), &model, api, now)
        case 2: try await undo(&model, &random, api, now)
        case 3..<6: try await write(part, step, &model, &random, api, now)
        case 6..<8:
          let key = random.pick(["t1", "t2"])
          let value = "v\(step)"
          let answer = try await api.call(
            .post, "/v1/users",
            ["identities": ["anonymous_id": "a-\(part)"], "tags": [key: .string(value)]],
            now: now)
          #expect(answer.status == 200)
          model.parts[part].tags[key] = (value, step)
        default:
          let name = "e\(step)"
          _ = try await api.call(
            .post, "/v1/events",
            ["events": [["user": ["anonymous_id": "a-\(part)"], "name": .string(name)]]],
            now: now)
          model.parts[part].events.insert(name)
        }
        try await check(model, api, "HERALD_SEED=\(seed), step \(step)")
      }
    }
  }

  private func merge(
    _ one: Int, _ other: Int, _ model: inout Model, _ api: PeopleAPI, _ now: Date
  ) async throws {
    let roots = [model.root(of: one), model.root(of: other)]
    let answer = try await api.call(
      .post, "/v1/users/anonymous_id:a-\(one)/merge", ["from": "anonymous_id:a-\(other)"], now: now
    )
    guard roots[0] != roots[1] else {
      #expect(answer.status == 409)
      return
    }
    // Of two with equal identities the older survives.
    let (survivor, merged) = (min(roots[0], roots[1]), max(roots[0], roots[1]))
    model.edges[merged] = (survivor, try #require(answer.json["id"]?.stringValue))
  }

  private func undo(
    _ model: inout Model, _ random: inout SeededRandom, _ api: PeopleAPI, _ now: Date
  ) async throws {
    guard
      let (merged, edge) = model.edges.sorted(by: { $0.key < $1.key })
        .randomElement(using: &random)
    else { return }
    #expect(try await api.call(.post, "/v1/merges/\(edge.merge)/undo", now: now).status == 200)
    model.edges[merged] = nil
  }

  private func write(
    _ part: Int, _ step: Int, _ model: inout Model, _ random: inout SeededRandom,
    _ api: PeopleAPI, _ now: Date
  ) async throws {
    let key = random.pick(["x", "y"])
    let gain = random.below(10)
    let root = model.root(of: part)
    let whole = model.attributes(of: root)["points"] ?? 0
    let answer = try await api.call(
      .post, "/v1/users",
      [
        "identities": ["anonymous_id": "a-\(part)"],
        "attributes": [key: .int(step), "points": .int(whole + gain)],
      ], now: now)
    #expect(answer.status == 200)
    model.parts[part].attributes[key] = (step, step)
    model.parts[part].points += gain
  }

  private func check(_ model: Model, _ api: PeopleAPI, _ comment: String) async throws {
    var ids: [Int: String] = [:]
    for part in model.parts.indices {
      let root = model.root(of: part)
      let user = try await api.call(.get, "/v1/users/anonymous_id:a-\(part)").json
      let id = user["id"]?.stringValue ?? ""
      #expect(ids[root] == nil || ids[root] == id, "\(comment)")
      ids[root] = id
      guard part == root else { continue }
      let attributes = user["attributes"]?.objectValue ?? [:]
      let values = Dictionary(
        attributes.members.compactMap { key, value in value.intValue.map { (key, $0) } },
        uniquingKeysWith: { first, _ in first })
      #expect(values == model.attributes(of: root), "\(comment), user \(part)")
      let tags = Dictionary(
        (user["tags"]?.objectValue ?? [:]).members.compactMap { key, value in
          value.stringValue.map { (key, $0) }
        }, uniquingKeysWith: { first, _ in first })
      #expect(tags == model.tags(of: root), "\(comment), user \(part)")
      let uuid = try #require(UUID(uuidString: id))
      let events = try await api.db.read { db in
        try db.query("SELECT name FROM events WHERE user_id = \(uuid)").map {
          try $0.get(0, as: String.self)
        }
      }
      #expect(Set(events) == model.events(of: root), "\(comment), user \(part)")
    }
    #expect(Set(ids.values).count == ids.count, "\(comment)")
    #expect(try await api.count("SELECT count(*) FROM users") == ids.count, "\(comment)")
  }
}
