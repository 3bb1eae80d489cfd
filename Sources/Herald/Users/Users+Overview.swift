import Foundation
import Postgres

extension Users {
  func overview(
    _ ref: UserRef, for caller: Caller, now: Date
  ) async throws -> (overview: Overview, unknown: UnknownConsent) {
    let settings = try await currentSettings()
    let overview = try await db.snapshot { tx in
      let id = try UserScope.load(ref, for: caller, now: now, in: tx)
      let ids = try ErasureStore.ids(of: id, in: tx)
      let deliveries = try OverviewStore.deliveries(of: ids, in: tx)
      let coupons = try OverviewStore.coupons(of: ids, in: tx)
      return Overview(
        user: try UserStore.load(id, now: now, in: tx),
        orders: try OverviewStore.orders(of: ids, settings.orders, in: tx),
        currency: settings.orders.currency, events: try OverviewStore.events(of: ids, in: tx),
        tags: try UserTagStore.list(of: id, now: now, in: tx),
        consents: try ConsentStore.list(of: id, in: tx), deliveries: deliveries.counts,
        lastSentAt: deliveries.lastSentAt, receipts: try OverviewStore.receipts(of: ids, in: tx),
        couponsIssued: coupons.issued, couponsRedeemed: coupons.redeemed,
        merged: Array(ids.dropFirst()))
    }
    return (overview, settings.unknownConsent)
  }
}
