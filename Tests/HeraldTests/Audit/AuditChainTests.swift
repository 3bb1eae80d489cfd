import Dispatch
import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("The audit chain") struct AuditChainTests {
  /// A sealed chain of 50 entries; their ids in order.
  private func sealed(
    _ body: (HeraldInProcess, Audits, [Int]) async throws -> Void
  ) async throws {
    try await HeraldInProcess.with { herald in
      try await Self.append(50, to: herald)
      let audits = herald.app.audits
      try await Self.seal(50, by: audits)
      let ids = try await herald.app.db.read { db in
        try db.query("SELECT entry_id FROM audit_seals ORDER BY position").map {
          try $0.get(0, as: Int.self)
        }
      }
      #expect(ids.count == 50)
      let before = try await audits.verify()
      #expect(before.valid && before.sealed == 50)
      try await body(herald, audits, ids)
    }
  }

  /// Transactions of other tests on the same server can hold the sealer up for a moment.
  private static func seal(_ count: Int, by audits: Audits) async throws {
    var sealed = 0
    while sealed < count {
      sealed += try await audits.seal()
      await Task.yield()
    }
    #expect(sealed == count)
  }

  /// Waits for the transactions of other tests that began before the entry's.
  private static func untilCommittedForGood(_ id: Int, in herald: HeraldInProcess) async throws {
    while try await herald.count(
      """
      SELECT count(*) FROM audit_entries
      WHERE id = \(id) AND xid >= pg_snapshot_xmin(pg_current_snapshot())
      """) > 0
    { await Task.yield() }
  }

  private static func append(_ count: Int, to herald: HeraldInProcess) async throws {
    let now = herald.clock.now
    for n in 0..<count {
      try await herald.app.db.write { tx in
        try AuditStore.append(
          AuditEntry(
            "tag.put", "tag", "t\(n)", before: n % 3 == 0 ? nil : ["n": .int(n)],
            after: ["名": "值"], by: Caller(keyID: UUID(), principal: "li.lei", role: .admin),
            at: now), in: tx)
      }
    }
  }

  @Test(
    "an altered entry is named, whichever field it is",
    arguments: [
      "at = at + interval '1 microsecond'", "principal = 'nobody'",
      "key_id = gen_random_uuid()", "action = 'tag.deleted'", "subject = 'other'",
      "subject_kind = 'user'", "before = '1'", "after = NULL", "request_id = 'r'",
    ])
  func altered(change: String) async throws {
    try await sealed { herald, audits, ids in
      try await herald.app.db.pool.write { tx in
        try tx.execute(script: "UPDATE audit_entries SET \(change) WHERE id = \(ids[20])")
        try tx.execute(script: "UPDATE audit_entries SET subject = 'x' WHERE id = \(ids[40])")
      }
      let found = try await audits.verify()
      #expect(!found.valid)
      #expect(found.firstBad == ids[20])
    }
  }

  @Test("an altered seal, two entries exchanged, a seal taken out: the first place is named")
  func seals() async throws {
    for (script, first) in [
      ("UPDATE audit_seals SET hash = sha256(hash) WHERE position = 31", 30),
      (
        """
        UPDATE audit_entries a SET subject = b.subject FROM audit_entries b
        WHERE (a.id, b.id) IN ((11, 12), (12, 11))
        """, 10
      ),
      ("DELETE FROM audit_seals WHERE position = 6", 6),
    ] {
      try await sealed { herald, audits, ids in
        try await herald.app.db.pool.write { tx in
          try tx.execute(
            script: script.replacing("11", with: "\(ids[10])").replacing("12", with: "\(ids[11])"))
        }
        let found = try await audits.verify()
        #expect(!found.valid)
        #expect(found.firstBad == ids[first], "\(script)")
      }
    }
  }

  @Test("a deleted entry is named")
  func deleted() async throws {
    try await sealed { herald, audits, ids in
      try await herald.execute("DELETE FROM audit_entries WHERE id IN (\(ids[7]), \(ids[9]))")
      let found = try await audits.verify()
      #expect(found.firstBad == ids[7])
      #expect(found.reason == "The entry was deleted.")
    }
  }

  @Test("an entry put in between is named, though the sealer came by since")
  func inserted() async throws {
    try await sealed { herald, audits, ids in
      let inAnHour = Date().addingTimeInterval(3600)
      for at in [herald.clock.now.addingTimeInterval(-86_400), inAnHour] {
        try await herald.execute(
          """
          INSERT INTO audit_entries (id, at, principal, action, subject_kind, subject)
          OVERRIDING SYSTEM VALUE
          VALUES (\(ids[0] - 5), \(at), 'mallory', 'plan.approved', 'plan', 'x')
          """)
        try await Self.untilCommittedForGood(ids[0] - 5, in: herald)
        try await audits.seal()
        let found = try await audits.verify()
        #expect(!found.valid)
        #expect(found.firstBad == ids[0] - 5)
        try await herald.execute("DELETE FROM audit_entries WHERE principal = 'mallory'")
        #expect(try await audits.verify().valid)
      }
    }
  }

  @Test("a tail cut off shows by a head noted before")
  func tail() async throws {
    try await sealed { herald, audits, ids in
      let head = try #require(try await audits.verify().head)
      try await herald.app.db.pool.write { tx in
        try tx.execute("DELETE FROM audit_seals WHERE position > 45")
        try tx.execute("DELETE FROM audit_entries WHERE id > \(ids[44])")
      }
      #expect(try await audits.verify().valid)
      let found = try await audits.verify(expectedHead: head)
      #expect(!found.valid)
      #expect(found.reason?.contains("tail was cut") == true)
      let earlier = try #require(found.head)
      try await Self.append(3, to: herald)
      try await Self.seal(3, by: audits)
      #expect(try await audits.verify(expectedHead: earlier).valid)
    }
  }

  @Test("what a running transaction wrote is sealed after it, and the chain holds")
  func late() async throws {
    try await HeraldInProcess.with { herald in
      let audits = herald.app.audits
      let caller = Caller(keyID: UUID(), principal: "li.lei", role: .admin)
      let now = herald.clock.now
      let (started, go) = AsyncStream.makeStream(of: Void.self)
      let end = DispatchSemaphore(value: 0)
      async let slow: Void = herald.app.db.pool.write { tx in
        try AuditStore.append(AuditEntry("a", "tag", "slow", by: caller, at: now), in: tx)
        go.yield()
        end.wait()
      }
      for await _ in started { break }
      try await Self.append(3, to: herald)
      #expect(try await audits.seal() == 0)
      end.signal()
      try await slow
      try await Self.seal(4, by: audits)
      let found = try await audits.verify()
      #expect(found.valid && found.sealed == 4)
    }
  }

  @Test("two sealers at once make one chain")
  func sealers() async throws {
    try await HeraldInProcess.with { herald in
      let audits = herald.app.audits
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask { try await Self.append(10, to: herald) }
          group.addTask { for _ in 0..<10 { try await audits.seal() } }
        }
        try await group.waitForAll()
      }
      while try await audits.verify().sealed < 40 { try await audits.seal() }
      let found = try await audits.verify()
      #expect(found.valid && found.sealed == 40)
    }
  }
}
