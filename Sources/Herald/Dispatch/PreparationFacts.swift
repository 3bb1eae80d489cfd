import Foundation
import JSON
import Postgres

/// What the gates need to know of a batch, read set by set.
struct PreparationFacts {
  private let preparation: Preparation
  private let users: [UUID: User]
  private let plans: [String: ApprovedPlan]
  private let senders: [Channel: [StoredSender]]
  private let receipts: Set<UUID>
  private let codes: [PersonOfRun: JSONObject]

  init(_ entries: [QueueEntry], _ preparation: Preparation, in tx: Transaction) throws {
    self.preparation = preparation
    var plans: [String: ApprovedPlan] = [:]
    for entry in entries where plans[Self.name(entry)] == nil {
      plans[Self.name(entry)] = try preparation.plans.get(entry.plan, entry.planVersion, in: tx)
    }
    self.plans = plans
    users = try UserStore.find(
      Set(entries.map(\.userID)).sorted { $0.text < $1.text }, now: preparation.now, in: tx)
    senders = Dictionary(grouping: try SenderStore.active(in: tx)) { $0.sender.channel }
    let waited = entries.filter { $0.phase == .followUp }.compactMap { entry in
      Self.awaited(entry, plans).map { (id: entry.deliveryID, event: $0.rawValue) }
    }
    receipts = try DeliveryStore.haveReceipt(waited, in: tx)
    let showing = entries.filter { plans[Self.name($0)]?.showsCoupons ?? false }
    codes = try CouponStore.codes(
      showing.map { PersonOfRun(user: $0.userID, run: $0.runID) }, in: tx)
  }

  func of(_ entry: QueueEntry) throws -> Gatekeeper.Facts {
    guard let plan = plans[Self.name(entry)] else {
      throw HeraldError(.unexpected, "Plan '\(entry.plan)' was not loaded.")
    }
    let user = users[entry.userID]
    return Gatekeeper.Facts(
      plan: plan, user: user,
      variables: RenderVariables(
        user: user?.renderJSON ?? [:], event: [:], plan: ["key": .string(plan.key)],
        steps: codes[PersonOfRun(user: entry.userID, run: entry.runID)] ?? [:]),
      senders: senders.mapValues { $0.filter(plan.approves) },
      tokenProviders: { sender in
        (try? preparation.senders.kind(of: sender))?.tokenProviders
      },
      receiptArrived: receipts.contains(entry.deliveryID),
      projectZone: preparation.project.timeZone,
      unknownConsent: preparation.project.unknownConsent)
  }

  func handover(
    _ entry: QueueEntry, link: Int, to address: Address, by sender: StoredSender,
    _ content: JSONValue
  ) throws -> Handover {
    let external = users[entry.userID]?.externalID
    return Handover(
      entry: entry, link: link, channel: sender.sender.channel, sender: sender,
      message: OutboundMessage(
        deliveryID: entry.deliveryID, idempotencyKey: "\(entry.deliveryID.text)-\(link)",
        channel: sender.sender.channel, address: address, content: content, userID: entry.userID,
        externalID: external, plan: entry.plan, step: entry.stepID),
      perMinute: plans[Self.name(entry)]?.document.limits.perMinute)
  }

  /// What each plan of the batch may issue of a coupon in all; plans without a limit are absent.
  func budgets(_ coupon: String) throws -> [String: Int] {
    var budgets: [String: Int] = [:]
    for plan in plans.values {
      if let limit = plan.document.limits.coupons[coupon] { budgets[plan.key] = limit }
    }
    return budgets
  }

  private static func name(_ entry: QueueEntry) -> String { "\(entry.plan)/\(entry.planVersion)" }

  private static func awaited(
    _ entry: QueueEntry, _ plans: [String: ApprovedPlan]
  ) -> Receipt.Event? {
    guard let chain = plans[name(entry)]?.step(entry.stepID)?.chain,
      chain.indices.contains(entry.link + 1)
    else { return nil }
    return chain[entry.link + 1].unless
  }
}

/// A person within a run, to whom earlier steps may have brought coupons.
struct PersonOfRun: Hashable, Sendable {
  let user: UUID
  let run: UUID
}

extension User {
  var externalID: String? { identities.first { $0.kind.key == "external_id" }?.value }
}
