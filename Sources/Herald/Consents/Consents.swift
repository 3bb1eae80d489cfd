import Foundation
import JSON
import Postgres

/// What people agreed to, channel by channel and group by group, with when and where they said so.
public struct Consents: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  func list(_ ref: UserRef, for caller: Caller, now: Date) async throws -> [Consent] {
    try await db.read { db in
      try ConsentStore.list(of: UserScope.load(ref, for: caller, now: now, in: db), in: db)
    }
  }

  func history(
    _ ref: UserRef, _ page: PageRequest, _ subscription: Subscription?, for caller: Caller,
    now: Date
  ) async throws -> Page<ConsentRecord> {
    let rows = try await db.read { db in
      let user = try UserScope.load(ref, for: caller, now: now, in: db)
      return try ConsentStore.history(of: user, page, subscription, in: db)
    }
    return Page(rows, page) { [String($0.consent.at.microsecondsSince1970), $0.id.text] }
  }

  /// What holds afterwards: the newest word does, an older one only joins the history. Said again,
  /// nothing changes.
  func put(
    _ statement: ConsentStatement, _ subscription: Subscription, of ref: UserRef,
    by caller: Caller, now: Date
  ) async throws -> (consent: Consent, created: Bool) {
    try await db.write { tx in
      try IdentityLock.share(in: tx)
      let user = try UserScope.load(ref, for: caller, now: now, in: tx)
      let watch = try PartWatch(of: ref, user, in: tx)
      let known = try ConsentStore.find(subscription, of: user, in: tx)
      if let known, statement.repeats(known) { return (known, false) }
      let said = Consent(
        subscription: subscription, state: statement.state, source: statement.source,
        at: statement.at ?? now)
      if said == known { return (said, false) }
      let holds = statement.outranks(known, now: now)
      if holds { try ConsentStore.replace(said, of: user, in: tx) }
      try watch?.record(in: tx)
      try ConsentStore.record(said, of: user, in: tx)
      try AuditStore.append(
        AuditEntry(
          "consent.put", "user", user.text, before: known?.auditJSON, after: said.auditJSON,
          by: caller, at: now), in: tx)
      return (holds ? said : known ?? said, known == nil)
    }
  }
}

extension Consent {
  var auditJSON: JSONValue {
    [
      "subscription": .string(subscription.text), "state": .string(state.rawValue),
      "source": .string(source), "at": .instant(at),
    ]
  }
}
