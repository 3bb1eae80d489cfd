import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Receipts")
struct ReceiptsTests {
  private let now = ChannelsFixture.now

  /// Senders `s1` (sms), `p1` (push) and `other` (sms), one user with two phones and two devices, and
  /// deliveries by name.
  private struct World {
    let db: Database
    let receipts: Receipts
    let user = UUID()
    let run = UUID()
    let now = ChannelsFixture.now

    init(_ db: Database) async throws {
      self.db = db
      let senders = ChannelsFixture.senders(db)
      receipts = Receipts(db: db, senders: senders)
      for (key, channel) in [("s1", "sms"), ("p1", "push"), ("other", "sms")] {
        let document: JSONValue = [
          "channel": .string(channel), "adapter": "fake",
          "config": ["url": "https://a.example/", "secret": "secret-1234"],
        ]
        _ = try await senders.put(
          ChannelsFixture.draft(key, document), expecting: nil, by: ChannelsFixture.caller,
          now: now)
      }
      let (user, start) = (user, now.addingTimeInterval(-3600))
      try await db.write { tx in
        try tx.execute(
          "INSERT INTO users (id, created_at, updated_at) VALUES (\(user), \(start), \(start))")
        for (offset, phone) in ["+8613800000001", "+8613800000002"].enumerated() {
          let at = start.addingTimeInterval(Double(offset))
          try tx.execute(
            """
            INSERT INTO identities (kind, value, user_id, created_at)
            VALUES ('phone', \(phone), \(user), \(at))
            """)
        }
        for (offset, token) in ["a", "b"].enumerated() {
          let at = start.addingTimeInterval(Double(offset))
          try tx.execute(
            """
            INSERT INTO devices (user_id, provider, token, platform, created_at, updated_at)
            VALUES (\(user), 'fcm', \(token), 'android', \(at), \(at))
            """)
        }
      }
    }

    /// A delivery handed to `sender` half an hour ago.
    func delivery(_ status: String, _ sender: String?, reason: String? = nil) async throws -> UUID {
      let id = UUID()
      let (user, run, at) = (user, run, now.addingTimeInterval(-1800))
      try await db.write { tx in
        try tx.execute(
          """
          INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version,
            status, reason, channel, sender, created_at)
          VALUES (\(user), \(run), \("step-\(id.text)"), \(at), \(id), 'winter', 1, \(status),
            \(reason), 'sms', \(sender), \(at))
          """)
        guard let sender else { return }
        try tx.execute(
          """
          INSERT INTO attempts (user_id, delivery_id, link, try, entered_at, run_id, channel, sender,
            status, reason, started_at)
          VALUES (\(user), \(id), 0, 1, \(at), \(run), 'sms', \(sender), \(status), \(reason), \(at))
          """)
      }
      return id
    }

    func take(
      _ items: [(UUID, Receipt.Event, Date)], from sender: String
    ) async throws -> ReceiptSummary {
      let body = JSONValue.array(
        items.map { [.string($0.0.text), .string($0.1.rawValue), .string($0.2.rfc3339)] })
      return try await receipts.take(
        Request(method: .post, body: body.bytes), from: sender, now: now)
    }

    func text(_ sql: SQL) async throws -> String? {
      try await db.read { try $0.one(sql)?.get(0, as: String?.self) ?? nil }
    }
  }

  private func withWorld(_ body: (World) async throws -> Void) async throws {
    try await ChannelsFixture.withSchema { db in try await body(World(db)) }
  }

  @Test("sent twice change nothing the second time; unknown deliveries are named, others stored")
  func idempotent() async throws {
    try await withWorld { world in
      let id = try await world.delivery("sent", "s1")
      let items: [(UUID, Receipt.Event, Date)] = [
        (id, .delivered, now), (UUID(), .delivered, now), (id, .opened, now),
        (id, .opened, now.addingTimeInterval(1)),
      ]
      let first = try await world.take(items, from: "s1")
      #expect(first.accepted == 3)
      #expect(first.duplicates == 0)
      #expect(first.rejected.map(\.index) == [1])
      #expect(first.rejected.first?.fault.pointer.description == "/receipts/1/delivery_id")
      let second = try await world.take(items + [items[0]], from: "s1")
      #expect(second.accepted == 0)
      #expect(second.duplicates == 4)
      #expect(try await world.text("SELECT count(*)::text FROM receipts") == "3")
      #expect(
        try await world.text("SELECT plan || channel || sender FROM receipts LIMIT 1")
          == "wintersmss1")
    }
  }

  @Test("of another sender's delivery are refused")
  func otherSender() async throws {
    try await withWorld { world in
      let id = try await world.delivery("sent", "s1")
      let summary = try await world.take([(id, .delivered, now)], from: "other")
      #expect(summary.accepted == 0)
      #expect(summary.rejected.count == 1)
      // Still under way, its sender is not written down yet.
      let pending = try await world.delivery("pending", nil)
      #expect(try await world.take([(pending, .delivered, now)], from: "other").accepted == 1)
    }
  }

  @Test("settle an unknown delivery and its attempt as sent, of the same sender only")
  func settles() async throws {
    try await withWorld { world in
      let id = try await world.delivery("unknown", "s1", reason: "timeout")
      let status: SQL = """
        SELECT d.status || '/' || a.status || '/' || coalesce(d.reason, 'none')
        FROM deliveries d JOIN attempts a ON a.delivery_id = d.id WHERE d.id = \(id)
        """
      _ = try await world.take([(id, .delivered, now)], from: "other")
      #expect(try await world.text(status) == "unknown/unknown/timeout")
      _ = try await world.take([(id, .unsubscribed, now)], from: "s1")
      #expect(try await world.text(status) == "unknown/unknown/timeout")
      _ = try await world.take([(id, .delivered, now)], from: "s1")
      #expect(try await world.text(status) == "sent/sent/none")
    }
  }

  @Test("never change what was sent or failed", arguments: ["sent", "failed"])
  func keeps(status: String) async throws {
    try await withWorld { world in
      let id = try await world.delivery(status, "s1", reason: "was so")
      let events = Receipt.Event.allCases.map { (id, $0, now) }
      #expect(try await world.take(events, from: "s1").accepted == 6)
      #expect(
        try await world.text("SELECT status || reason FROM deliveries WHERE id = \(id)")
          == "\(status)was so")
    }
  }

  @Test("a bounce suppresses the address the delivery went to, and no other")
  func bounced() async throws {
    try await withWorld { world in
      let suppressed: SQL = """
        SELECT string_agg(i.value, ',' ORDER BY i.value) FROM identities i
        JOIN suppressions s ON s.kind = i.kind AND s.value_hash = sha256(convert_to(i.value, 'UTF8'))
        """
      let (first, second) = (
        try await world.delivery("sent", "s1"), try await world.delivery("sent", "s1")
      )
      _ = try await world.take([(first, .bounced, now)], from: "s1")
      #expect(try await world.text(suppressed) == "+8613800000001")
      // Sent before the first bounce, hence to the same address.
      _ = try await world.take([(second, .bounced, now)], from: "s1")
      #expect(try await world.text(suppressed) == "+8613800000001")
      #expect(try await world.text("SELECT string_agg(reason, '') FROM suppressions") == "bounced")
    }
  }

  @Test("an uninstall kills the device it went to, unless that came back later")
  func uninstalled() async throws {
    try await withWorld { world in
      let dead: SQL =
        "SELECT string_agg(token, ',' ORDER BY token) FROM devices WHERE state = 'dead'"
      let (first, second, third) = (
        try await world.delivery("sent", "p1"), try await world.delivery("sent", "p1"),
        try await world.delivery("sent", "p1")
      )
      _ = try await world.take(
        [(first, .uninstalled, now.addingTimeInterval(-7200))], from: "p1")
      #expect(try await world.text(dead) == nil)
      _ = try await world.take([(second, .uninstalled, now)], from: "p1")
      #expect(try await world.text(dead) == "a")
      _ = try await world.take([(third, .bounced, now)], from: "p1")
      #expect(try await world.text(dead) == "a")
    }
  }

  @Test("unsubscribing denies the channel, with history, but not over a newer word")
  func unsubscribed() async throws {
    try await withWorld { world in
      let consent: SQL = "SELECT channel || ' ' || state || ' ' || source FROM consents"
      let history: SQL = "SELECT count(*)::text FROM consent_history"
      let id = try await world.delivery("sent", "s1")
      _ = try await world.take([(id, .unsubscribed, now.addingTimeInterval(-60))], from: "s1")
      #expect(try await world.text(consent) == "sms denied receipt")
      #expect(try await world.text(history) == "1")
      let user = world.user
      _ = try await world.db.write { [now] tx in
        try tx.execute(
          """
          UPDATE consents SET state = 'granted', source = 'api', at = \(now) WHERE user_id = \(user)
          """)
      }
      _ = try await world.take(
        [
          (id, .unsubscribed, now.addingTimeInterval(-60)),
          (id, .unsubscribed, now.addingTimeInterval(-30)),
        ], from: "s1")
      #expect(try await world.text(consent) == "sms granted api")
      #expect(try await world.text(history) == "1")
      _ = try await world.take([(id, .unsubscribed, now.addingTimeInterval(1))], from: "s1")
      #expect(try await world.text(consent) == "sms denied receipt")
      #expect(try await world.text(history) == "2")
    }
  }

  @Test("of an unknown sender are 404")
  func unknownSender() async throws {
    try await withWorld { world in
      let error = await #expect(throws: HeraldError.self) {
        try await world.take([], from: "nobody")
      }
      #expect(error?.code == .notFound)
    }
  }
}
