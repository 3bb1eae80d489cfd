import Foundation
import Postgres

extension ConsentStore {
  /// What is known of a user, channels before their groups.
  static func list(of user: UUID, in db: any Queryable) throws -> [Consent] {
    try db.query(
      """
      SELECT channel, subscription_group, state, source, at FROM consents
      WHERE user_id = \(user) ORDER BY channel, subscription_group
      """
    ).compactMap { try Consent($0) }
  }

  static func find(
    _ subscription: Subscription, of user: UUID, in db: any Queryable
  ) throws -> Consent? {
    try db.one(
      """
      SELECT channel, subscription_group, state, source, at FROM consents
      WHERE user_id = \(user) AND channel = \(subscription.channel.rawValue)
        AND subscription_group = \(subscription.group)
      """
    ).flatMap { try Consent($0) }
  }

  /// Newest first.
  static func history(
    of user: UUID, _ page: PageRequest, _ subscription: Subscription?, in db: any Queryable
  ) throws -> [ConsentRecord] {
    let before = page.after.flatMap { cursor -> (at: Date, id: UUID)? in
      guard let at = Int(cursor.values[0]), let id = UUID(uuidString: cursor.values[1]) else {
        return nil
      }
      return (Date(microsecondsSince1970: at), id)
    }
    return try db.query(
      """
      SELECT id, channel, subscription_group, state, source, at FROM consent_history
      WHERE user_id = \(user)
        AND (\(subscription?.channel.rawValue)::text IS NULL
          OR (channel, subscription_group)
            = (\(subscription?.channel.rawValue), \(subscription?.group)))
        AND (\(before?.at)::timestamptz IS NULL OR (at, id) < (\(before?.at), \(before?.id)))
      ORDER BY at DESC, id DESC LIMIT \(page.limit + 1)
      """
    ).compactMap { row in
      guard let consent = try Consent(row) else { return nil }
      return ConsentRecord(id: try row.get("id"), consent: consent)
    }
  }

  /// The user must be locked.
  static func replace(_ consent: Consent, of user: UUID, in tx: Transaction) throws {
    try tx.execute(
      """
      INSERT INTO consents (user_id, channel, subscription_group, state, source, at)
      VALUES (\(user), \(consent.subscription.channel.rawValue), \(consent.subscription.group),
        \(consent.state.rawValue), \(consent.source), \(consent.at))
      ON CONFLICT (user_id, channel, subscription_group) DO UPDATE
        SET state = excluded.state, source = excluded.source, at = excluded.at
      """)
  }

  static func record(_ consent: Consent, of user: UUID, in tx: Transaction) throws {
    try tx.execute(
      """
      INSERT INTO consent_history (user_id, id, channel, subscription_group, state, source, at)
      VALUES (\(user), gen_random_uuid(), \(consent.subscription.channel.rawValue),
        \(consent.subscription.group), \(consent.state.rawValue), \(consent.source), \(consent.at))
      """)
  }
}

extension Consent {
  /// Nil for a channel or state this program does not know.
  init?(_ row: Row) throws {
    guard let channel = Channel(rawValue: try row.get("channel")),
      let state = ConsentState(rawValue: try row.get("state"))
    else { return nil }
    self.init(
      subscription: Subscription(channel, group: try row.get("subscription_group")), state: state,
      source: try row.get("source"), at: try row.get("at"))
  }
}
