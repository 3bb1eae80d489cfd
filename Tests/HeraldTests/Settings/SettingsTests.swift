import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct SettingsTests {
  private static let now = ReportScene.now

  private static func settings(_ zone: String) -> ProjectSettings {
    var settings = ProjectSettings()
    settings.timeZone = zone
    return settings
  }

  private static func parse(_ json: JSONValue) -> (settings: ProjectSettings?, pointers: [String]) {
    let faults = Faults()
    let settings = ObjectReader(json, faults: faults).flatMap { reader -> ProjectSettings? in
      defer { reader.finish() }
      return ProjectSettings(reader)
    }
    return (settings, faults.all.map(\.pointer.description))
  }

  @Test("a document reads back as it was written, and what is left out is the standard")
  func document() throws {
    let (settings, faults) = Self.parse([
      "time_zone": "Europe/Berlin", "region": "DE",
      "consents": ["unknown": ["marketing": ["sms": "allowed", "push": "not_allowed"]]],
      "quiet_hours": ["from": "22:00", "until": "08:00", "zone": "user", "on_hit": "drop"],
    ])
    let read = try #require(settings)
    #expect(faults == [])
    #expect(read.unknownConsent.allowed.contains(.sms))
    #expect(!read.unknownConsent.allowed.contains(.push))
    #expect(read.quietHours?.onHit == .drop)
    #expect(try ProjectSettings(stored: read.json) == read)
    #expect(Self.parse([:]).settings == ProjectSettings())
  }

  @Test("every fault is named with its place")
  func faults() {
    let faults = Self.parse([
      "time_zone": "EST", "region": "XX", "global_holdout": 1,
      "consents": ["unknown": ["marketing": ["fax": "allowed", "sms": true]]],
    ]).pointers
    #expect(
      Set(faults) == [
        "/time_zone", "/region", "/global_holdout", "/consents/unknown/marketing/fax",
        "/consents/unknown/marketing/sms",
      ])
  }

  @Test("one principal changes the settings at once; everybody sees it")
  func direct() async throws {
    try await ReportScene.with { scene in
      let admin = try await scene.key("han.meimei", .admin)
      _ = try await scene.key("wang.wei", .operator)
      let settings = Settings(db: scene.db)
      #expect(try await settings.current() == ProjectSettings())
      guard
        case .made(let stored) = try await settings.put(
          Self.settings("Europe/Berlin"), expecting: 0, by: admin, now: Self.now)
      else {
        Issue.record("the change was only proposed")
        return
      }
      #expect(stored.version == 1)
      #expect(try await settings.current().timeZone == "Europe/Berlin")
      #expect(try await Settings(db: scene.db).current().timeZone == "Europe/Berlin")
      await #expect {
        try await settings.put(ProjectSettings(), expecting: 0, by: admin, now: Self.now)
      } throws: { ($0 as? HeraldError)?.code == .preconditionFailed }
    }
  }

  @Test("with a second approver a change is proposed, and only somebody else confirms it")
  func proposed() async throws {
    try await ReportScene.with { scene in
      let admin = try await scene.key("han.meimei", .admin)
      let approver = try await scene.key("zhang.san", .approver)
      let minted = try await scene.key("han.meimei.alias", .approver, by: admin)
      let settings = Settings(db: scene.db)
      guard
        case .proposed(let proposal, let changes) = try await settings.put(
          Self.settings("Europe/Berlin"), expecting: nil, by: admin, now: Self.now)
      else {
        Issue.record("the change was made at once")
        return
      }
      #expect(try await settings.load().version == 0)
      #expect(changes.arrayValue?.compactMap { $0["pointer"] } == ["/time_zone"])
      let pending = try await settings.proposals(PageRequest(), state: "pending")
      #expect(pending.items.map(\.changes) == [changes])
      for barred in [admin, minted] {
        await #expect {
          try await settings.confirm(proposal.id, by: barred, now: Self.now)
        } throws: { ($0 as? HeraldError)?.code == .selfApproval }
      }
      let stored = try await settings.confirm(proposal.id, by: approver, now: Self.now)
      #expect(stored.settings.timeZone == "Europe/Berlin")
      #expect(stored.version == 1)
      await #expect {
        try await settings.confirm(proposal.id, by: approver, now: Self.now)
      } throws: { ($0 as? HeraldError)?.code == .wrongState }
      let actions = try await scene.db.read {
        try $0.query("SELECT action FROM audit_entries WHERE subject_kind = 'settings' ORDER BY id")
          .map { try $0.get(0, as: String.self) }
      }
      #expect(actions == ["settings.proposed", "settings.confirmed"])
    }
  }

  @Test("confirming one proposal outdates the others")
  func outdated() async throws {
    try await ReportScene.with { scene in
      let admin = try await scene.key("han.meimei", .admin)
      let approver = try await scene.key("zhang.san", .approver)
      let settings = Settings(db: scene.db)
      var ids: [UUID] = []
      for zone in ["Europe/Berlin", "Europe/Paris"] {
        let change = try await settings.put(
          Self.settings(zone), expecting: nil, by: admin, now: Self.now)
        if case .proposed(let proposal, _) = change { ids.append(proposal.id) }
      }
      try #require(ids.count == 2)
      _ = try await settings.confirm(ids[0], by: approver, now: Self.now)
      await #expect {
        try await settings.confirm(ids[1], by: approver, now: Self.now)
      } throws: { ($0 as? HeraldError)?.code == .wrongState }
      let pending = try await settings.proposals(PageRequest(), state: "pending")
      #expect(pending.items.isEmpty)
    }
  }

  @Test("a revoked key's principal does not count as a second one")
  func revoked() async throws {
    try await ReportScene.with { scene in
      let admin = try await scene.key("han.meimei", .admin)
      let gone = try await scene.key("zhang.san", .approver)
      try await Keys(db: scene.db).revoke(gone.keyID, by: admin, now: Self.now)
      let change = try await Settings(db: scene.db).put(
        Self.settings("Europe/Berlin"), expecting: nil, by: admin, now: Self.now)
      guard case .made = change else {
        Issue.record("a revoked key counted")
        return
      }
    }
  }
}

extension ReportScene {
  /// A caller with a stored key.
  func key(_ principal: String, _ role: Role, by maker: Caller = .herald) async throws -> Caller {
    let (key, _) = try await Keys(db: db).create(
      NewKey(name: "test", role: role, principal: principal), by: maker, now: Self.now)
    return Caller(keyID: key.id, principal: principal, role: role)
  }
}
