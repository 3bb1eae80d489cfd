import Foundation
import JSON
import Postgres

/// What events and attributes there are: names, types, how often and when. Samples are looked up in
/// what is stored now, so that nothing of an erased person is kept here.
public struct Catalogue: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  /// Batches of one folding transaction.
  static let foldLimit = 500

  struct EventDetail: Sendable {
    let event: CatalogueEvent
    let properties: [CatalogueField]
  }

  func events(_ page: PageRequest) async throws -> Page<CatalogueEvent> {
    let rows = try await db.read { try CatalogueStore.list(page, in: $0) }
    return Page(rows, page) { [$0.name] }
  }

  /// With its properties, declared ones that nobody sent yet among them.
  func event(_ name: String, for caller: Caller) async throws -> EventDetail {
    try await db.read { db in
      guard let event = try CatalogueStore.find(name, in: db) else {
        throw HeraldError.notFound("event", name)
      }
      let all = PageRequest(limit: CatalogueTally.fieldLimit)
      var fields = try CatalogueStore.fields(of: name, all, in: db)
      for (name, _) in event.schema?.properties ?? []
      where !fields.contains(where: { $0.name == name }) {
        fields.append(
          CatalogueField(name: name, types: [:], count: 0, firstSeen: nil, lastSeen: nil))
      }
      if caller.userScope == nil {
        Self.sample(try CatalogueStore.recent(name, in: db), into: &fields)
      }
      return EventDetail(event: event, properties: fields.sorted { $0.name < $1.name })
    }
  }

  func attributes(_ page: PageRequest, for caller: Caller) async throws -> Page<CatalogueField> {
    let rows = try await db.read { db in
      var fields = try CatalogueStore.fields(of: "", page, in: db)
      if caller.userScope == nil {
        Self.sample(try CatalogueStore.recentUsers(in: db), into: &fields)
      }
      return fields
    }
    return Page(rows, page) { [$0.name] }
  }

  /// `expecting`: the version of If-Match.
  func declare(
    _ schema: EventSchema, for name: String, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (event: CatalogueEvent, created: Bool) {
    try Self.refuseScoped(caller)
    return try await db.write { tx in
      try CatalogueStore.lock(name, in: tx)
      let known = try CatalogueStore.find(name, in: tx)
      try Precondition.check(expecting, actual: known?.version)
      if let known, known.schema == schema { return (known, false) }
      try CatalogueStore.declare(schema, for: name, now: now, in: tx)
      try Self.audit("event.declared", name, known?.schema, schema, caller, now, in: tx)
      guard let event = try CatalogueStore.find(name, in: tx) else {
        throw HeraldError(.unexpected, "The declaration was not stored.")
      }
      return (event, known?.schema == nil)
    }
  }

  /// 404 when nothing was declared. What was seen stays.
  func undeclare(_ name: String, by caller: Caller, now: Date) async throws {
    try Self.refuseScoped(caller)
    try await db.write { tx in
      try CatalogueStore.lock(name, in: tx)
      guard let schema = try CatalogueStore.find(name, in: tx)?.schema else {
        throw HeraldError(.notFound, "No schema is declared for this event.")
      }
      try CatalogueStore.declare(nil, for: name, now: now, in: tx)
      try Self.audit("event.undeclared", name, schema, nil, caller, now, in: tx)
    }
  }

  /// Called by the housekeeper: counts what came in since.
  func fold(now: Date) async throws {
    var batches = Self.foldLimit
    while batches == Self.foldLimit, !Task.isCancelled {
      batches = try await db.pool.write { tx in
        try CatalogueStore.fold(limit: Self.foldLimit, now: now, in: tx)
      }
    }
  }

  private static func sample(_ rows: [JSONObject], into fields: inout [CatalogueField]) {
    for row in rows {
      for place in fields.indices {
        if let value = row[fields[place].name] { fields[place].sample(value) }
      }
    }
  }

  private static func audit(
    _ action: String, _ name: String, _ before: EventSchema?, _ after: EventSchema?,
    _ caller: Caller, _ now: Date, in tx: Transaction
  ) throws {
    func json(_ schema: EventSchema?) -> JSONValue? {
      schema.map { ["mode": .string($0.mode.rawValue), "properties": $0.json] }
    }
    try AuditStore.append(
      AuditEntry(
        action, "event", name, before: json(before), after: json(after), by: caller, at: now),
      in: tx)
  }

  private static func refuseScoped(_ caller: Caller) throws {
    try caller.mustSeeEverybody(", but events are everybody's.")
  }
}
