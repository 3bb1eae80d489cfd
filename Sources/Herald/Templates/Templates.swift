import Foundation
import JSON
import Postgres

/// The catalogue of templates. Approved plans keep the versions they were approved with.
public struct Templates: Sendable {
  let db: Database
  /// Stands for the links of real messages in previews.
  private let exampleLink: String?

  public init(db: Database, links: UnsubscribeLinks? = nil) {
    self.db = db
    exampleLink = links?.example
  }

  public func get(_ key: String) async throws -> StoredTemplate {
    try await db.read { try TemplateStore.load(key, in: $0) }
  }

  func list(_ page: PageRequest, channel: String?) async throws -> Page<StoredTemplate> {
    let rows = try await db.read { try TemplateStore.list(page, channel: channel, in: $0) }
    return Page(rows, page) { [$0.template.key] }
  }

  /// `template` must have been prepared without fault.
  func put(
    _ template: MessageTemplate, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (stored: StoredTemplate, created: Bool) {
    try await db.write { tx in
      try Self.put(template, expecting: expecting, by: caller, now: now, in: tx)
    }
  }

  static func put(
    _ template: MessageTemplate, expecting: Int? = nil, by caller: Caller, now: Date,
    in tx: Transaction
  ) throws -> (stored: StoredTemplate, created: Bool) {
    try TemplateStore.lock(template.key, in: tx)
    let known = try TemplateStore.find(template.key, in: tx)
    try Precondition.check(expecting, actual: known?.version)
    if let known, known.template == template { return (known, false) }
    let stored = try TemplateStore.save(template, now: now, in: tx)
    try AuditStore.append(
      AuditEntry(
        "template.put", "template", template.key, before: known?.json, after: stored.json,
        by: caller, at: now), in: tx)
    return (stored, known == nil)
  }

  func delete(_ key: String, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      try TemplateStore.lock(key, in: tx)
      let known = try TemplateStore.load(key, in: tx)
      try TemplateStore.archive(key, now: now, in: tx)
      try AuditStore.append(
        AuditEntry("template.deleted", "template", key, before: known.json, by: caller, at: now),
        in: tx)
    }
  }

  /// As it would read for this user now, with `event` in the place of a trigger's properties.
  func render(
    _ key: String, for ref: UserRef, event: JSONObject, by caller: Caller, now: Date
  ) async throws -> (channel: Channel, outcome: RenderOutcome) {
    let (stored, user) = try await db.read { db in
      let stored = try TemplateStore.load(key, in: db)
      let id = try UserScope.load(ref, for: caller, now: now, in: db)
      guard let user = try UserStore.find([id], now: now, in: db)[id] else {
        throw UserRef.notFound
      }
      return (stored, user)
    }
    let prepared = try PreparedTemplate(stored.template)
    let outcome = prepared.render(
      RenderVariables(user: user.renderJSON, event: event, unsubscribeURL: exampleLink))
    return (prepared.channel, outcome)
  }
}
