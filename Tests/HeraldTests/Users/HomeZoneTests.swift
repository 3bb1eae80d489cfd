import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

/// Where people are taken to be is the same in SQL and in memory, whatever becomes of their numbers.
@Suite("Zones of people")
struct HomeZoneTests {
  @Test("numbers of every region have the same zone in SQL and in memory", .segmentDatabase)
  func regions() async throws {
    var random = SeededRandom(seed: SeededRandom.seed)
    var numbers = ["", "+", "+8", "86138", "+86", "+8521", "+85", "+85412345678"]
    for region in PhoneRegion.all {
      for _ in 0..<20 { numbers.append("+\(region.calling)\(random.below(1_000_000_000))") }
    }
    for _ in 0..<500 { numbers.append("+\(random.below(100_000_000_000))") }
    let (asked, zones) = (numbers, Set(PhoneRegion.all.compactMap(\.zone)).sorted())
    let (told, known) = try await TestDatabase.current.pool.read { db in
      (
        try db.query(
          """
          SELECT herald_phone_zone(number) FROM unnest(\(asked)) WITH ORDINALITY AS n (number, place)
          ORDER BY place
          """
        ).map { try $0.get(0, as: String?.self) },
        try db.query("SELECT name FROM time_zones WHERE name = ANY(\(zones)) ORDER BY name")
          .map { try $0.get(0, as: String.self) }
      )
    }
    for (number, zone) in zip(asked, told) {
      #expect(zone == PhoneRegion.zone(of: number), "\(number)")
    }
    #expect(known == zones)
    #expect(zones.count == 20)
  }

  @Test("random people are in one zone, whoever asks", .segmentDatabase)
  func people() async throws {
    let seed = SeededRandom.seed
    print("zones of people: HERALD_SEED=\(seed)")
    let project = ProjectSettings()
    let ids = try await TestDatabase.current.pool.write { tx in
      try Self.crowd(200, SeededRandom(seed: seed), in: tx)
    }
    let (sql, found, recipients, used) = try await TestDatabase.current.pool.read { db in
      (
        try UserZoneStore.zones(of: ids, project, in: db),
        try UserStore.find(ids, now: PeopleAPI.now, in: db),
        try UserStore.recipients(ids, now: PeopleAPI.now, in: db),
        try UserZoneStore.inUse(project, in: db)
      )
    }
    var homes: Set<String> = []
    for id in ids {
      let home = try #require(sql[id]).identifier
      homes.insert(home)
      #expect(found[id]?.zone(project: project.timeZone) == home, "\(seed)")
      #expect(recipients[id]?.zone(project: project.timeZone) == home, "\(seed)")
    }
    #expect(homes.count > 5)
    #expect(homes.isSubset(of: used))
  }

  /// With zones of their own, odd ones and none, and up to three numbers, often of one instant.
  private static func crowd(
    _ count: Int, _ random: SeededRandom, in tx: Transaction
  ) throws -> [UUID] {
    var random = random
    let zones: [String?] = [nil, nil, nil, nil, "Europe/Paris", "Africa/Cairo", "No/Where", ""]
    var ids: [UUID] = []
    for _ in 0..<count {
      let id = UUID()
      ids.append(id)
      try tx.execute(
        """
        INSERT INTO users (id, time_zone, created_at, updated_at)
        VALUES (\(id), \(random.pick(zones)), \(PeopleAPI.now), \(PeopleAPI.now))
        """)
      for _ in 0..<random.below(4) {
        let number = "+\(random.pick(PhoneRegion.all).calling)\(random.below(1_000_000_000))"
        try tx.execute(
          """
          INSERT INTO identities (kind, value, user_id, created_at)
          VALUES ('phone', \(number), \(id),
            \(PeopleAPI.now.addingTimeInterval(Double(random.below(2)))))
          """)
      }
    }
    return ids
  }

  @Test("a number that is bound, moved, merged, parted or erased takes its zone along")
  func upkeep() async throws {
    try await PeopleAPI.with { api in
      func put(_ identities: JSONValue) async throws -> UUID {
        let answer = try await api.call(.post, "/v1/users", ["identities": identities])
        #expect([200, 201].contains(answer.status), "\(answer.text)")
        return try #require(answer.json["id"]?.stringValue.flatMap(UUID.init(uuidString:)))
      }
      let a = try await put(["external_id": "a"])
      let b = try await put(["external_id": "b", "phone": "+4915112345678"])
      #expect(try await Self.homes(api, [a, b]) == ["Asia/Shanghai", "Europe/Berlin"])
      _ = try await put(["external_id": "a", "phone": "+819012345678"])
      #expect(try await Self.homes(api, [a, b]) == ["Asia/Tokyo", "Europe/Berlin"])
      _ = try await put(["external_id": "b", "phone": "+819012345678"])
      #expect(try await Self.homes(api, [a, b]) == ["Asia/Shanghai", "Europe/Berlin"])
      let c = try await put(["phone": "+447912345678"])
      #expect(try await Self.homes(api, [c]) == ["Europe/London"])
      let merge = try await api.call(
        .post, "/v1/users/external_id:a/merge", ["from": "phone:+447912345678"])
      #expect(try await Self.homes(api, [a]) == ["Europe/London"])
      let id = merge.json["id"]?.stringValue ?? ""
      #expect(try await api.call(.post, "/v1/merges/\(id)/undo").status == 200)
      #expect(try await Self.homes(api, [a, c]) == ["Asia/Shanghai", "Europe/London"])
      #expect(try await api.call(.delete, "/v1/users/\(c)").status == 204)
      #expect(try await Self.homes(api, [c]) == ["Asia/Shanghai"])
    }
  }

  private static func homes(_ api: PeopleAPI, _ users: [UUID]) async throws -> [String] {
    let zones = try await api.db.read {
      try UserZoneStore.zones(of: users, ProjectSettings(), in: $0)
    }
    return users.map { zones[$0]?.identifier ?? "-" }
  }
}
