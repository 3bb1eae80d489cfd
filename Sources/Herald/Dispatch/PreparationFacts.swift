import Foundation
import JSON
import Postgres

/// What the gates need to know of a batch, read set by set.
struct PreparationFacts {
  private let preparation: Preparation
  var pressure: BatchPressure
  /// By person, whatever id their rows are for.
  private let users: [UUID: User]
  private let plans: [PlanVersionName: ApprovedPlan]
  /// By plan: its manifest pins what a sender is.
  private let senders: [PlanVersionName: [Channel: [StoredSender]]]
  private let receipts: Set<UUID>
  private let paces: [String: Double]
  private let codes: [EnrolmentName: JSONObject]
  /// What people brought along when they entered.
  private let events: [EnrolmentName: JSONObject]
  private let variants: [UUID: Experiment.Variant]

  /// Takes the locks under which the caps are exact. `variants`: of an experiment, by delivery.
  init(
    _ entries: [QueueEntry], _ variants: [UUID: Experiment.Variant], _ preparation: Preparation,
    in tx: Transaction
  ) throws {
    self.preparation = preparation
    self.variants = variants
    var plans: [PlanVersionName: ApprovedPlan] = [:]
    for entry in entries where plans[entry.planName] == nil {
      plans[entry.planName] = try preparation.plans.get(entry.plan, entry.planVersion, in: tx)
    }
    self.plans = plans
    let pressure = try BatchPressure(
      entries, of: plans, now: preparation.now, in: tx
    ) { try preparation.plans.get($0.plan, $0.version, in: tx) }
    self.pressure = pressure
    users = try UserStore.recipients(
      Array(Set(entries.map(pressure.person))), now: preparation.now, in: tx)
    paces = try StopStore.paces(Set(plans.keys.map(\.plan)).sorted(), in: tx)
    let active = try SenderStore.active(in: tx)
    senders = plans.mapValues { plan in
      Dictionary(grouping: active.filter(plan.approves)) { $0.sender.channel }
    }
    let waited = entries.filter { $0.phase == .followUp }.compactMap { entry in
      Self.awaited(entry, plans).map { (id: entry.deliveryID, event: $0.rawValue) }
    }
    receipts = try DeliveryStore.haveReceipt(waited, in: tx)
    let showing = entries.filter { plans[$0.planName]?.showsCoupons ?? false }
    codes = try CouponStore.codes(
      showing.map(\.enrolment), in: tx)
    let telling = entries.filter { plans[$0.planName]?.showsEvents ?? false }
    events = try EntryTimerStore.properties(telling.map(\.enrolment), in: tx)
  }

  func plan(of entry: QueueEntry) throws -> ApprovedPlan {
    guard let plan = plans[entry.planName] else {
      throw HeraldError(.unexpected, "Plan '\(entry.plan)' was not loaded.")
    }
    return plan
  }

  func of(_ entry: QueueEntry) throws -> Gatekeeper.Facts {
    let plan = try plan(of: entry)
    let user = users[pressure.person(of: entry)]
    return Gatekeeper.Facts(
      plan: plan, user: user,
      variables: RenderVariables(
        user: user?.renderJSON ?? [:], event: events[entry.enrolment] ?? [:],
        plan: ["key": .string(plan.key)],
        steps: codes[entry.enrolment] ?? [:]),
      variant: variants[entry.deliveryID], senders: senders[entry.planName] ?? [:],
      tokenProviders: { sender in
        (try? preparation.senders.kind(of: sender))?.tokenProviders
      },
      receiptArrived: receipts.contains(entry.deliveryID),
      projectZone: preparation.project.timeZone,
      projectQuietHours: preparation.project.quietHours,
      unknownConsent: preparation.project.unknownConsent,
      holidays: preparation.project.holidays,
      spentUntil: { [health = preparation.health, now = preparation.now] in
        health.spentUntil($0, now: now)
      },
      caps: pressure.standing(of: entry),
      unsubscribeURL: { [links = preparation.links] channel in
        let subscription = Subscription(channel, group: plan.document.category ?? "")
        return links?.url(
          UnsubscribeLink(
            user: entry.userID, delivery: entry.deliveryID, subscription: subscription))
      })
  }

  func handover(
    _ entry: QueueEntry, link: Int, to address: Address, by sender: StoredSender,
    _ content: JSONValue
  ) throws -> Handover {
    let external = users[pressure.person(of: entry)]?.externalID
    return Handover(
      entry: entry, link: link, channel: sender.sender.channel, sender: sender,
      message: OutboundMessage(
        deliveryID: entry.deliveryID, idempotencyKey: "\(entry.deliveryID.text)-\(link)",
        channel: sender.sender.channel, address: address, content: content, userID: entry.userID,
        externalID: external, plan: entry.plan, step: entry.stepID),
      planPace: pace(of: entry),
      isCapped: plans[entry.planName]?.isCapped ?? false, preparedAt: preparation.now)
  }

  /// The approved pace, or the one set since where that is lower.
  private func pace(of entry: QueueEntry) -> Double? {
    let approved = plans[entry.planName]?.document.limits.perMinute.map { Double($0) / 60 }
    return [approved, paces[entry.plan]].compactMap(\.self).min()
  }

  /// The slot is taken for the rest of the batch.
  mutating func take(_ entry: QueueEntry, link: Int, _ channel: Channel) {
    guard let plan = plans[entry.planName], plan.isCapped else { return }
    pressure.take(
      plan.use(entry, link: link, channel: channel, at: preparation.now), by: entry)
  }

  /// What the caps are to count from here on.
  func use(_ entry: QueueEntry, _ link: Int, _ channel: Channel) throws -> CapUseStore.Row {
    CapUseStore.Row(
      user: entry.userID,
      use: try plan(of: entry).use(entry, link: link, channel: channel, at: preparation.now))
  }

  /// What each plan of the batch may issue of a coupon in all; plans without a limit are absent.
  func budgets(_ coupon: String) throws -> [String: Int] {
    var budgets: [String: Int] = [:]
    for plan in plans.values {
      if let limit = plan.document.limits.coupons[coupon] { budgets[plan.key] = limit }
    }
    return budgets
  }

  private static func awaited(
    _ entry: QueueEntry, _ plans: [PlanVersionName: ApprovedPlan]
  ) -> Receipt.Event? {
    guard let chain = plans[entry.planName]?.step(entry.stepID)?.chain,
      chain.indices.contains(entry.link + 1)
    else { return nil }
    return chain[entry.link + 1].unless
  }
}

extension User {
  var externalID: String? { identities.first { $0.kind.key == "external_id" }?.value }
}
