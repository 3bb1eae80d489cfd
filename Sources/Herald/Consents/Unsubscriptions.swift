import Foundation
import JSON
import Postgres

/// People who follow the link in a message to get no more of its kind. The link is their only key.
public struct Unsubscriptions: Sendable {
  let db: Database
  let links: UnsubscribeLinks

  public init(db: Database, links: UnsubscribeLinks) {
    self.db = db
    self.links = links
  }

  /// 404 for a token that was not made here.
  func read(_ token: String) throws -> UnsubscribeLink {
    guard let link = links.read(token) else {
      throw HeraldError(
        .notFound, "This unsubscribe link is not valid; use the one of the message unchanged.")
    }
    return link
  }

  /// Denies the link's subscription, or its whole channel; said again, nothing changes. Who was erased
  /// meanwhile gets nothing anyway. What is under way is held back at its next gate.
  func perform(_ link: UnsubscribeLink, wholeChannel: Bool, by caller: Caller, now: Date)
    async throws
  {
    let subscription =
      wholeChannel ? Subscription(link.subscription.channel) : link.subscription
    try await db.write { tx in
      try IdentityLock.share(in: tx)
      guard let user = try UserStore.standing([link.user], in: tx)[link.user] else { return }
      try UserStore.lock([user], in: tx)
      let known = try ConsentStore.find(subscription, of: user, in: tx)
      if known?.state == .denied { return }
      let denial = Consent(
        subscription: subscription, state: .denied, source: "unsubscribe_link", at: now)
      try ConsentStore.replace(denial, of: user, in: tx)
      try ConsentStore.record(denial, of: user, in: tx)
      try UnsubscriptionStore.receive(link, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "consent.unsubscribed", "user", user.text, before: known?.auditJSON,
          after: denial.auditJSON, by: caller, at: now), in: tx)
    }
  }
}

enum UnsubscriptionStore {
  /// Counts the delivery as one that somebody unsubscribed by, once, as a provider's receipt would.
  static func receive(_ link: UnsubscribeLink, now: Date, in tx: Transaction) throws {
    // By the primary key of deliveries, whose first column is the user; the delivery is on the id it
    // was made for.
    try tx.execute(
      """
      INSERT INTO receipts (user_id, delivery_id, event, at, run_id, step_id, plan, channel, sender,
        received_at)
      SELECT d.user_id, d.id, 'unsubscribed', \(now), d.run_id, d.step_id, d.plan,
        \(link.subscription.channel.rawValue), d.sender, \(now)
      FROM deliveries d
      WHERE d.user_id = \(link.user) AND d.id = \(link.delivery) AND d.sender IS NOT NULL
        AND NOT EXISTS (SELECT FROM receipts r WHERE r.user_id = d.user_id
          AND r.delivery_id = d.id AND r.event = 'unsubscribed')
      ON CONFLICT DO NOTHING
      """)
  }
}
