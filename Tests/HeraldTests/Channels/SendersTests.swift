import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Senders")
struct SendersTests {
  private let now = ChannelsFixture.now
  private let caller = ChannelsFixture.caller

  private func document(
    secret: String = "secret-1234", weight: Int = 10, url: String = "https://a.example/"
  ) -> JSONValue {
    [
      "channel": "sms", "adapter": "fake", "weight": .int(weight),
      "config": ["url": .string(url), "secret": .string(secret)],
    ]
  }

  private func put(
    _ senders: Senders, _ document: JSONValue, expecting: Int? = nil
  ) async throws -> (stored: StoredSender, created: Bool) {
    try await senders.put(
      ChannelsFixture.draft("s1", document), expecting: expecting, by: caller, now: now)
  }

  @Test("are new, then unchanged, then changed")
  func upsert() async throws {
    try await ChannelsFixture.withSchema { db in
      let senders = ChannelsFixture.senders(db)
      let first = try await put(senders, document())
      #expect(first.created)
      #expect(first.stored.version == 1)
      let same = try await put(senders, document())
      #expect(!same.created)
      #expect(same.stored.version == 1)
      let changed = try await put(senders, document(weight: 20), expecting: 1)
      #expect(!changed.created)
      #expect(changed.stored.version == 2)
      #expect(changed.stored.sender.weight == 20)
      await #expect(throws: HeraldError.self) { try await put(senders, document(), expecting: 1) }
      let audited = try await db.read {
        try $0.query("SELECT action FROM audit_entries").count
      }
      #expect(audited == 2)
    }
  }

  @Test("never show their secrets, in answers, tables or the audit")
  func secrets() async throws {
    try await ChannelsFixture.withSchema { db in
      let senders = ChannelsFixture.senders(db)
      let stored = try await put(senders, document()).stored
      #expect(stored.json["config"]?["secret"] == "***")
      #expect(!stored.json.text.contains("secret-1234"))
      let dump: String = try await db.read { db in
        try db.one(
          """
          SELECT (SELECT string_agg(s::text, '') FROM senders s)
            || (SELECT string_agg(a::text, '') FROM audit_entries a)
          """)?.get(0) ?? ""
      }
      #expect(dump.contains("a.example"))
      #expect(!dump.contains("secret-1234"))
      #expect(!dump.contains(Data("secret-1234".utf8).map { String(format: "%02x", $0) }.joined()))
    }
  }

  @Test("keep a secret that is given as ***, and only one that is there")
  func keep() async throws {
    try await ChannelsFixture.withSchema { db in
      let senders = ChannelsFixture.senders(db)
      await #expect(throws: HeraldError.self) { try await put(senders, document(secret: "***")) }
      let first = try await put(senders, document()).stored
      #expect(try await put(senders, document(secret: "***")).stored.version == first.version)
      let moved = try await put(senders, document(secret: "***", url: "https://b.example/")).stored
      let outcome = await (try senders.adapter(for: moved)).send(Self.message)
      #expect(outcome == .sent(providerID: "secret-1234"))
      let rotated = try await put(senders, document(secret: "another-5678")).stored
      #expect(
        await (try senders.adapter(for: rotated)).send(Self.message)
          == .sent(providerID: "another-5678"))
    }
  }

  @Test("under another key the secrets are unreadable, and can be given anew")
  func otherKey() async throws {
    try await ChannelsFixture.withSchema { db in
      _ = try await put(ChannelsFixture.senders(db), document())
      let others = ChannelsFixture.senders(db, key: .random())
      let stored = try await others.get("s1")
      #expect(throws: HeraldError.self) { try others.adapter(for: stored) }
      let anew = try await put(others, document()).stored
      #expect(anew.version == 2)
      #expect(
        await (try others.adapter(for: anew)).send(Self.message)
          == .sent(providerID: "secret-1234"))
    }
  }

  @Test("one sender's sealed secrets open for no other")
  func bound() throws {
    let sealed = try ChannelsFixture.secretsKey.seal(["a": "b"], sender: "s1")
    #expect(try ChannelsFixture.secretsKey.open(sealed, sender: "s1") == ["a": "b"])
    #expect(throws: HeraldError.self) { try ChannelsFixture.secretsKey.open(sealed, sender: "s2") }
  }

  @Test("paused ones are not active; an archived one is gone and comes back active")
  func states() async throws {
    try await ChannelsFixture.withSchema { db in
      let senders = ChannelsFixture.senders(db)
      _ = try await put(senders, document())
      let paused = try await senders.setState(
        "s1", .paused, reason: "HTTP 401", by: caller, now: now)
      #expect(paused.state == .paused)
      #expect(paused.stateReason == "HTTP 401")
      #expect(try await db.read { try SenderStore.active(.sms, in: $0) }.isEmpty)
      #expect(try await db.read { try SenderStore.list(channel: .sms, in: $0) }.count == 1)
      // A change of settings is no resumption.
      #expect(try await put(senders, document(weight: 3)).stored.state == .paused)
      try await senders.delete("s1", by: caller, now: now)
      await #expect(throws: HeraldError.self) { try await senders.get("s1") }
      let back = try await put(senders, document())
      #expect(back.created)
      #expect(back.stored.state == .active)
      #expect(try await db.read { try SenderStore.active(.sms, in: $0) }.map(\.key) == ["s1"])
      #expect(try await db.read { try SenderStore.active(.push, in: $0) }.isEmpty)
    }
  }

  @Test("what an approval pins has neither secrets nor pace nor weight")
  func pinned() async throws {
    let one = try ChannelsFixture.draft("s1", document()).sender
    let other = try ChannelsFixture.draft("s1", document(secret: "something", weight: 7)).sender
    #expect(one.approvedContent == other.approvedContent)
    let moved = try ChannelsFixture.draft("s1", document(url: "https://evil.example/")).sender
    #expect(one.approvedContent != moved.approvedContent)
  }

  @Test("every fault is reported at its place")
  func faults() throws {
    let document: JSONValue = [
      "channel": "wechat", "adapter": "fake", "config": ["url": 7, "secret": "short"],
      "weight": -1, "pace": ["per_second": 0, "x": 1], "concurrency": 0, "timeout": "31s",
      "state": "active",
    ]
    let error = #expect(throws: HeraldError.self) {
      try ChannelsFixture.draft("s1", document)
    }
    #expect(
      Set(error?.faults.map(\.pointer.description) ?? []) == [
        "/channel", "/config/url", "/config/secret", "/weight", "/pace/per_second", "/pace/x",
        "/concurrency", "/timeout", "/state",
      ])
  }

  @Test("the adapter is made once per version")
  func cache() async throws {
    try await ChannelsFixture.withSchema { db in
      let senders = ChannelsFixture.senders(db)
      let old = try await put(senders, document()).stored
      let new = try await put(senders, document(secret: "another-5678")).stored
      #expect(
        await (try senders.adapter(for: new)).send(Self.message)
          == .sent(providerID: "another-5678"))
      // What was read before the change still works, and does not take the newer one's place.
      #expect(
        await (try senders.adapter(for: old)).send(Self.message)
          == .sent(providerID: "secret-1234"))
      #expect(
        await (try senders.adapter(for: new)).send(Self.message)
          == .sent(providerID: "another-5678"))
    }
  }

  static let message = OutboundMessage(
    deliveryID: UUID(), idempotencyKey: "k", channel: .sms,
    address: Address(kind: .phone, value: "+8613800138000"), content: ["text": "x"],
    userID: UUID(), externalID: nil, plan: "p", step: "s")
}
