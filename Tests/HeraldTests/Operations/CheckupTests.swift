import Foundation
import JSON
import Logging
import Postgres
import Testing

@testable import Herald

@Suite("What doctor finds in a database")
struct CheckupTests {
  private func checkup(_ db: Database, key: SecretsKey = ChannelsFixture.secretsKey) -> Checkup {
    Checkup(
      db: db, audits: Audits(db: db), reports: Reports(db: db),
      senders: ChannelsFixture.senders(db, key: key))
  }

  /// The scratch server of the tests does not flush, and connects as a superuser.
  private func findings(_ scene: ReportScene) async -> [Finding] {
    await checkup(scene.db).database(now: ReportScene.now).filter {
      !["durability", "role", "schema", "clock", "keys", "partitions"].contains($0.check)
    }
  }

  /// The lease of the tests' schema has no checksums: the schema counts as altered there.
  private func withScene(_ body: (ReportScene) async throws -> Void) async throws {
    try await ReportScene.with { scene in
      for migration in HeraldSchema.migrations {
        try await scene.execute(
          """
          UPDATE schema_migrations SET checksum = \(migration.checksum)
          WHERE version = \(migration.version)
          """)
      }
      try await body(scene)
    }
  }

  private func pendingDelivery(_ scene: ReportScene) async throws -> UUID {
    try await scene.plan("hello", ReportScene.document(steps: ["first"]))
    let people = ReportScene.people(2)
    let run = try await scene.run(of: "hello", people: people)
    try await scene.enrol(people, in: run, "active")
    try await scene.deliver(people, in: run, step: "first", "pending")
    try await scene.queue(run)
    return run
  }

  @Test("a sound database passes, with work waiting in it")
  func sound() async throws {
    try await withScene { scene in
      _ = try await pendingDelivery(scene)
      let found = await findings(scene)
      #expect(found.filter { $0.level != .ok } == [])
      #expect(found.contains(.ok("accounting", "1 plans balance")))
      #expect(found.contains(.ok("ledger", "queue, deliveries and enrolments agree")))
      #expect(found.contains(.ok("queue", "2 waiting, 2 due, 0 in flight")))
    }
  }

  @Test("a lost queue row and a lost enrolment are found")
  func lost() async throws {
    try await withScene { scene in
      _ = try await pendingDelivery(scene)
      try await scene.execute(
        "DELETE FROM queue WHERE delivery_id = (SELECT min(delivery_id::text)::uuid FROM queue)")
      var failed = await findings(scene).filter { $0.level == .fail }
      #expect(
        failed.map(\.detail) == [
          "1 deliveries are pending without a queue row", "1 people are active with nothing queued",
        ])
      try await scene.execute("DELETE FROM enrolments")
      failed = await findings(scene).filter { $0.level == .fail }
      #expect(failed.first?.check == "accounting")
      #expect(failed.first?.detail.contains("2 people were targeted") == true)
    }
  }

  @Test("an entry altered behind Herald's back breaks the audit chain")
  func audit() async throws {
    try await withScene { scene in
      _ = try await Stops(db: scene.db).stop(
        nil, reason: "storm", by: ReportScene.admin, now: ReportScene.now)
      // Entries are sealed behind every transaction that runs on the server, other tests' too.
      var sealed = 0
      for _ in 0..<1000 where sealed == 0 {
        sealed = try await Audits(db: scene.db).seal()
        if sealed == 0 { try await Task.sleep(for: .milliseconds(10)) }
      }
      var found = await findings(scene)
      #expect(found.contains(.ok("audit", "1 entries verify")))
      #expect(found.contains { $0.check == "stops" && $0.detail.contains("storm") })
      try await scene.execute("UPDATE audit_entries SET principal = 'nobody'")
      found = await findings(scene)
      #expect(found.contains { $0.check == "audit" && $0.level == .fail })
    }
  }

  @Test("an old schema is said with the command that mends it, and ends the examination")
  func schema() async throws {
    try await withScene { scene in
      try await scene.execute("DELETE FROM schema_migrations WHERE version > 9")
      let found = await checkup(scene.db).database(now: ReportScene.now)
      let schema = try #require(found.first { $0.check == "schema" })
      #expect(schema.level == .fail)
      #expect(schema.remedy?.contains("herald migrate") == true)
      #expect(!found.contains { $0.check == "accounting" })
    }
  }

  @Test("unreachable PostgreSQL is one finding, not an error")
  func unreachable() async throws {
    let pool = Pool(
      PoolConfiguration(url: "host=/nowhere", size: 1, connectTimeout: .seconds(1)),
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
    let found = await checkup(Database(pool: pool)).database(now: ReportScene.now)
    await pool.close()
    #expect(found.map(\.level) == [.fail])
    #expect(found.first?.remedy?.contains("HERALD_DATABASE_URL") == true)
  }

  @Test("senders: a strange adapter, secrets under another key, an url that leads nowhere")
  func senders() async throws {
    try await withScene { scene in
      let senders = ChannelsFixture.senders(scene.db)
      for key in ["a", "b"] {
        _ = try await senders.put(
          ChannelsFixture.draft(
            key,
            [
              "channel": "sms", "adapter": "fake",
              "config": ["url": .string("https://\(key).example/"), "secret": "secret-1234"],
            ]), expecting: nil, by: ChannelsFixture.caller, now: ChannelsFixture.now)
      }
      let reach: @Sendable (String) async -> String? = {
        $0.contains("b.example") ? "the name b.example does not resolve" : nil
      }
      var found = await checkup(scene.db).senders(reach: reach)
      #expect(found.map(\.check) == ["sender b"])
      #expect(found.map(\.level) == [.warn])
      found = await checkup(scene.db, key: .random()).senders(reach: { _ in nil })
      #expect(found.map(\.level) == [.fail, .fail])
      try await scene.execute("UPDATE senders SET adapter = 'pigeon' WHERE key = 'a'")
      found = await checkup(scene.db).senders(reach: { _ in nil })
      #expect(found.map(\.level) == [.fail])
      #expect(found.first?.detail == "adapter 'pigeon' is not in this build")
    }
  }
}
