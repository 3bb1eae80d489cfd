import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Erasure, export and history of users")
struct ErasureTests {
  private func makeUser(_ api: PeopleAPI) async throws -> String {
    let id = try await api.user(
      "canary-77",
      [
        "attributes": ["name": "CanaryName", "age": 41], "consents": ["sms": "granted"],
        "tags": ["tier": "canary-gold"],
        "devices": [["platform": "ios", "token": "canary-token", "provider": "apns"]],
      ])
    try await api.call(
      .patch, "/v1/users/\(id)",
      ["identities": ["phone": "13800138000", "email": "canary@example.com"]]
    ).discard()
    try await api.call(
      .post, "/v1/events",
      [
        "events": [
          [
            "message_id": "canary-m1", "user": ["external_id": "canary-77"], "name": "order_paid",
            "timestamp": .instant(PeopleAPI.now.addingTimeInterval(-60)),
            "properties": [
              "amount": .double(128.5), "note": "canary note", "phone": 13_800_138_000,
            ],
          ]
        ]
      ]
    ).discard()
    return id
  }

  @Test("leaves the counts and nothing personal")
  func erase() async throws {
    try await PeopleAPI.with { api in
      let id = try await makeUser(api)
      #expect(try await api.call(.delete, "/v1/users/external_id:canary-77").status == 204)
      for ref in ["external_id:canary-77", id] {
        #expect(try await api.call(.get, "/v1/users/\(ref)").status == 404)
        #expect(try await api.call(.delete, "/v1/users/\(ref)").status == 404)
      }
      let tables = try await api.db.read { db in
        try db.query(
          """
          SELECT tablename FROM pg_tables WHERE schemaname = 'public'
            AND tablename NOT IN ('tags', 'schema_migrations', 'time_zones')
          """
        ).map { try $0.get(0, as: String.self) }
      }
      for table in tables {
        let residue = try await api.count(
          """
          SELECT count(*) FROM \(identifier: table) t
          WHERE t::text ILIKE '%canary%' OR t::text LIKE '%13800138000%'
          """)
        #expect(residue == 0, "\(table)")
      }
      let kept: String = try await api.db.read {
        try $0.one("SELECT properties::text FROM events")?.get(0) ?? ""
      }
      #expect(kept == #"{"amount": 128.5}"#)
      #expect(try await api.count("SELECT count(*) FROM suppressions") == 3)
    }
  }

  @Test("keeps the address suppressed when it is imported again")
  func suppressed() async throws {
    try await PeopleAPI.with { api in
      _ = try await makeUser(api)
      try await api.call(.delete, "/v1/users/external_id:canary-77").discard()
      let again = try await api.call(
        .post, "/v1/users",
        [
          "identities": ["phone": "+8613800138000"],
          "consents": ["sms": "granted"],
        ])
      #expect(again.status == 201)
      #expect(again.json["reachable"]?.arrayValue?.contains("sms") == false)
    }
  }

  @Test("an export has everything that is stored of a user")
  func export() async throws {
    try await PeopleAPI.with { api in
      _ = try await makeUser(api)
      let export = try await api.call(.get, "/v1/users/external_id:canary-77/export")
      #expect(export.status == 200)
      for value in ["CanaryName", "canary-gold", "canary-token", "canary note", "+8613800138000"] {
        #expect(export.text.contains(value), "\(value)")
      }
      let withUser = try await api.db.read { db in
        try db.query(
          """
          SELECT DISTINCT c.relname FROM pg_class c
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id'
          JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
          WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
          """
        ).map { try $0.get(0, as: String.self) }
      }
      // Work in hand, not records of a person.
      let working: Set = ["run_targets", "job_members", "erasures"]
      #expect(Set(withUser).subtracting(working) == Set(UserExport.tables))
      let ofTwo = try await api.db.read { db in
        try db.query(
          "SELECT DISTINCT attrelid::regclass::text FROM pg_attribute WHERE attname IN ('one_id', 'survivor_id') AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')"
        ).map { try $0.get(0, as: String.self) }
      }
      #expect(Set(ofTwo) == Set(UserExport.pairs.map(\.table)))
    }
  }

  @Test("the export tells of merges and conflicts, and of the other of two nothing")
  func pairs() async throws {
    try await PeopleAPI.with { api in
      try await api.user("u-1")
      _ = try await api.call(
        .post, "/v1/users", ["identities": ["external_id": "canary-2", "wechat_unionid": "w"]])
      let clash = try await api.call(
        .post, "/v1/users", ["identities": ["external_id": "u-1", "wechat_unionid": "w"]])
      #expect(clash.status == 409)
      _ = try await api.call(.post, "/v1/users", ["identities": ["email": "u@example.com"]])
      let merge = try await api.call(
        .post, "/v1/users/external_id:u-1/merge", ["from": "email:u@example.com"])
      let export = try await api.call(.get, "/v1/users/external_id:u-1/export")
      let merges = export.json["user_merges"]?.arrayValue
      #expect(merges?.count == 1 && merges?.first?["id"] == merge.json["id"])
      let conflicts = export.json["identity_conflicts"]?.arrayValue
      #expect(conflicts?.count == 1 && conflicts?.first?["state"] == "open")
      #expect(conflicts?.first?["identities"] == ["external_id": ["u-1"]])
      #expect(!export.text.contains("canary-2"))
    }
  }

  @Test("the timeline is newest first and pages without gaps")
  func timeline() async throws {
    try await PeopleAPI.with { api in
      _ = try await makeUser(api)
      let events = (0..<5).map { n -> JSONValue in
        [
          "user": "external_id:canary-77", "name": "viewed",
          "timestamp": .instant(PeopleAPI.now.addingTimeInterval(-100)),
          "properties": ["n": .int(n)],
        ]
      }
      try await api.call(.post, "/v1/events", ["events": .array(events)]).discard()
      var seen: [JSONValue] = []
      var after = ""
      repeat {
        let page = try await api.call(
          .get, "/v1/users/external_id:canary-77/timeline?limit=2\(after)")
        #expect(page.status == 200)
        seen += page.json["data"]?.arrayValue ?? []
        after = page.json["next"]?.stringValue.map { "&after=\($0)" } ?? ""
      } while !after.isEmpty
      let instants = seen.compactMap { $0["at"]?.stringValue }
      #expect(instants == instants.sorted(by: >))
      let types = Dictionary(grouping: seen) { $0["type"]?.stringValue ?? "" }.mapValues(\.count)
      #expect(types == ["event": 6, "tag": 1, "consent": 1])
      #expect(
        Set(seen.compactMap { $0["data"]?["properties"]?["n"]?.intValue }) == [0, 1, 2, 3, 4])
    }
  }
}
