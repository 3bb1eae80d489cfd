import Foundation
import Postgres
import Testing

@testable import Herald

/// A run appears in its tables at once, and dispatch works on it before anybody has analysed them.
@Suite("Dispatch reads the rows of its batch and hardly any other")
struct SettlementCostTests {
  private static let people = 8000
  private static let batch = 200

  private static func fill(_ db: Database) async throws {
    let run = UUID()
    let now = PeopleAPI.now
    try await db.write { tx in
      try tx.execute(
        """
        INSERT INTO enrolments (user_id, run_id, entered_at, plan, plan_version, state)
        SELECT gen_random_uuid(), \(run), \(now), 'p', 1, 'active'
        FROM generate_series(1, \(people))
        """)
      try tx.execute(
        """
        INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version,
          created_at)
        SELECT user_id, run_id, 'hello', entered_at, gen_random_uuid(), 'p', 1, \(now)
        FROM enrolments
        """)
      try tx.execute(
        """
        INSERT INTO queue (lane, delivery_id, due_at, user_id, run_id, step_id, entered_at, plan,
          plan_version, step_entered_at)
        SELECT 0, id, \(now), user_id, run_id, step_id, entered_at, 'p', 1, \(now) FROM deliveries
        """)
    }
  }

  /// Rows that the transaction has read of each table so far.
  private static func read(in tx: Transaction) throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for row in try tx.query(
      """
      SELECT relname::text AS name, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS n
      FROM pg_stat_xact_user_tables
      WHERE relname IN ('enrolments', 'deliveries_default', 'queue')
      """)
    {
      counts[try row.get("name")] = try row.get("n")
    }
    return counts
  }

  private static func expectFew(_ counts: [String: Int]) {
    for (table, count) in counts {
      #expect(count <= batch * 4, "\(count) rows of \(table) were read")
    }
  }

  @Test("when it claims, prepares and settles")
  func settle() async throws {
    try await PeopleAPI.with { api in
      try await Self.fill(api.db)
      let lease = UUID()
      let (entries, claimed) = try await api.db.dispatch { tx in
        let entries = try QueueStore.claim(
          lane: 0, limit: Self.batch, lease: lease, leaseSeconds: 30, now: PeopleAPI.now, in: tx)
        return (entries, try Self.read(in: tx))
      }
      #expect(entries.count == Self.batch)
      Self.expectFew(claimed)
      var settlement = Settlement(lane: 0, lease: lease)
      for entry in entries {
        settlement.record(
          Settlement.Attempt(
            entry: entry, link: 0, channel: .push, number: 1, sender: "s", status: "sent",
            reason: nil, providerID: "x", startedAt: PeopleAPI.now))
        settlement.set(
          Settlement.Outcome(
            entry: entry, status: .sent, reason: nil, gate: nil, values: nil, channel: .push,
            sender: "s", providerID: "x"))
        settlement.advance(entry, to: nil)
      }
      let settled = settlement
      let read = try await api.db.dispatch { tx in
        #expect(try settled.apply(now: PeopleAPI.now, in: tx) == 0)
        return try Self.read(in: tx)
      }
      #expect(read.count == 3)
      Self.expectFew(read)
      #expect(
        try await api.count(
          "SELECT count(*) FROM deliveries WHERE status = 'sent' AND attempts = 1")
          == Self.batch)
      #expect(
        try await api.count("SELECT count(*) FROM enrolments WHERE state = 'finished'")
          == Self.batch)
      #expect(try await api.count("SELECT count(*) FROM queue") == Self.people - Self.batch)
    }
  }

  @Test("when it puts a batch off")
  func postpone() async throws {
    try await PeopleAPI.with { api in
      try await Self.fill(api.db)
      let lease = UUID()
      let read = try await api.db.dispatch { tx in
        let entries = try QueueStore.claim(
          lane: 0, limit: Self.batch, lease: lease, leaseSeconds: 30, now: PeopleAPI.now, in: tx)
        var settlement = Settlement(lane: 0, lease: lease)
        for entry in entries {
          settlement.postpone(entry, until: PeopleAPI.now.addingTimeInterval(100_000_000))
        }
        #expect(try settlement.apply(now: PeopleAPI.now, in: tx) == 0)
        return try Self.read(in: tx)
      }
      // The claim, the look at the lease and the update each read the batch.
      #expect((read["queue"] ?? 0) <= Self.batch * 8)
      #expect(
        try await api.count(
          "SELECT count(*) FROM queue WHERE due_at > \(PeopleAPI.now.addingTimeInterval(1))")
          == Self.batch)
    }
  }
}
