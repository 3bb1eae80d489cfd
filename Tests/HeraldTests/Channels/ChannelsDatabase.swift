import Foundation
import HTTP
import HeraldTesting
import JSON
import Migrations
import Postgres

@testable import Herald

/// The schema, and what tests of senders, receipts and templates begin with.
enum ChannelsFixture {
  static let schema = Migrations.all.map { migration in
    Migration(
      version: migration.version, name: migration.name,
      sql: String(decoding: migration.sql, as: UTF8.self), checksum: "")
  }

  static let now = Date(timeIntervalSince1970: 1_767_225_600)
  static let secretsKey = SecretsKey.random()
  static let caller = Caller(keyID: UUID(), principal: "li.lei", role: .operator)

  /// A database with the schema; `body` gets the pool.
  static func withSchema(_ body: (Database) async throws -> Void) async throws {
    try await withDatabase(migrations: schema) {
      try await body(Database(pool: TestDatabase.current.pool))
    }
  }

  /// Adapter `fake`, which takes everything and reads receipts without a signature.
  static let registry = AdapterRegistry([
    AdapterKind(
      name: "fake", channels: [.sms, .push, .email], tokenProviders: ["fcm"],
      configSchema: Schema.object(["url": Schema.string, "secret": Schema.string]),
      secretFields: ["secret"],
      validate: { config, pointer, faults in
        guard let reader = ObjectReader(config, at: pointer, faults: faults) else { return }
        _ = reader.string("url", required: true)
        _ = reader.string("secret", required: true, minLength: 8)
        reader.finish()
      }, make: { FakeAdapter(configuration: $0) })
  ])

  static func senders(_ db: Database, key: SecretsKey = secretsKey) -> Senders {
    Senders(db: db, registry: registry, secrets: key)
  }

  static func draft(_ key: String, _ document: JSONValue) throws -> SenderDraft {
    let faults = Faults()
    guard let reader = ObjectReader(document, faults: faults) else {
      throw HeraldError.invalid(faults.all)
    }
    let draft = SenderDraft(key: key, registry, reader, faults)
    reader.finish()
    guard let draft, faults.isEmpty else { throw HeraldError.invalid(faults.all) }
    return draft
  }
}

/// Says back what it was made with, and reads `[[delivery, event, at], …]`.
struct FakeAdapter: ChannelAdapter {
  let configuration: SenderConfiguration
  var resendsSafely: Bool { true }

  func send(_ message: OutboundMessage) async -> AttemptOutcome {
    .sent(providerID: configuration.config["secret"]?.stringValue)
  }

  func receipts(_ request: Request, now: Date) throws -> ReceiptBatch {
    var batch = ReceiptBatch()
    for (index, item) in (try JSONScanner.parse(request.body).arrayValue ?? []).enumerated() {
      let parts = item.arrayValue?.compactMap(\.stringValue) ?? []
      guard parts.count == 3, let id = UUID(uuidString: parts[0]),
        let event = Receipt.Event(rawValue: parts[1]), let at = Date(rfc3339: parts[2])
      else { throw HeraldError(.invalid, "not a receipt") }
      batch.receipts.append(Receipt(index: index, deliveryID: id, event: event, at: at))
    }
    return batch
  }
}
