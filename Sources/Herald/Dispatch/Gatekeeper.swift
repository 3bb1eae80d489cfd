import Foundation
import JSON

/// Decides, from facts alone, what happens with one queue entry now. The order of the gates is
/// that of `Gate`.
struct Gatekeeper {
  /// What is known of the delivery at this moment.
  struct Facts {
    let plan: ApprovedPlan
    let user: User?
    /// Variables of earlier steps and the plan, for templates.
    let variables: RenderVariables
    /// Of the step's experiment.
    var variant: Experiment.Variant?
    /// Senders of each channel that may carry this plan.
    let senders: [Channel: [StoredSender]]
    let tokenProviders: (StoredSender) -> Set<String>?
    /// A receipt that ends the wait of a follow-up has come.
    let receiptArrived: Bool
    let projectZone: String
    /// For marketing plans that name none of their own.
    let projectQuietHours: QuietHours?
    let unknownConsent: UnknownConsent
    var holidays: [Holiday] = []
    /// Until when a sender has used up what its provider takes of it in a day.
    var spentUntil: (StoredSender) -> Date? = { _ in nil }
    /// What the caps say about the person.
    var caps = CapStanding()
    /// The link by which the person gets no more of this on a channel.
    var unsubscribeURL: @Sendable (Channel) -> String? = { _ in nil }
  }

  /// A link that was passed over, with why.
  struct Pass {
    let link: Int
    let channel: Channel
    let code: SkipCode
    let gate: Gate
    let values: JSONValue?
  }

  /// To be looked at again later, and why.
  struct Deferral {
    let until: Date
    let gate: Gate
    /// What is told of it meanwhile; nil: nothing.
    var code: SkipCode?
    var values: JSONValue?
  }

  enum Verdict {
    /// The whole delivery is skipped.
    case skip(SkipCode, Gate, JSONValue?)
    /// No link is left to try.
    case exhausted
    /// A follow-up is not needed: the receipt is there.
    case settled
    case postpone(Deferral)
    case handOver(link: Int, address: Address, sender: StoredSender, content: JSONValue)
    /// Every approved sender of the channel is paused or changed: wait for one.
    case noSender(link: Int)
    case issue(link: Int, coupon: String)
  }

  let now: Date

  func decide(_ entry: QueueEntry, _ facts: Facts) -> (verdict: Verdict, passes: [Pass]) {
    guard let step = facts.plan.step(entry.stepID) else { return (.exhausted, []) }
    if entry.phase == .followUp, facts.receiptArrived { return (.settled, []) }
    if let refusal = wholeDelivery(entry, step, facts) { return (refusal, []) }
    var passes: [Pass] = []
    var deferral: Deferral?
    var index = entry.phase == .followUp ? entry.link + 1 : entry.link
    while index < step.chain.count {
      switch decide(entry, step.chain[index], at: index, facts) {
      case .next(let code, let gate, let values):
        passes.append(
          Pass(
            link: index, channel: step.chain[index].channel, code: code, gate: gate, values: values)
        )
        index += 1
      case .full(let refusal):
        passes.append(
          Pass(
            link: index, channel: step.chain[index].channel, code: refusal.code, gate: .caps,
            values: refusal.json))
        if waits(for: refusal, entry, step, facts),
          deferral.map({ refusal.until < $0.until }) ?? true
        {
          deferral = Deferral(
            until: refusal.until, gate: .caps, code: refusal.code, values: refusal.json)
        }
        index += 1
      case .verdict(let verdict): return (verdict, passes)
      }
    }
    // Its links are looked at anew then.
    if let deferral { return (.postpone(deferral), []) }
    return (.exhausted, passes)
  }

  enum LinkDecision {
    case next(SkipCode, Gate, JSONValue?)
    case full(CapStanding.Refusal)
    case verdict(Verdict)
  }

  private func wholeDelivery(
    _ entry: QueueEntry, _ step: PlanDocument.Step, _ facts: Facts
  ) -> Verdict? {
    let document = facts.plan.document
    if let window = document.window, !window.contains(now) {
      if let from = window.from, now < from {
        return .postpone(Deferral(until: from, gate: .window))
      }
      return .skip(.outsideWindow, .window, ["until": .instant(window.until)])
    }
    if let limit = step.notAfter {
      let end = entry.stepEnteredAt.addingTimeInterval(Double(limit.seconds))
      if now > end {
        return .skip(
          .expired, .expiry, ["not_after": .string(limit.description), "ended": .instant(end)])
      }
    }
    guard facts.user != nil else { return .skip(.erased, .consent, nil) }
    return nil
  }

  private func decide(
    _ entry: QueueEntry, _ link: PlanDocument.Link, at index: Int, _ facts: Facts
  ) -> LinkDecision {
    guard let user = facts.user else { return .next(.erased, .consent, nil) }
    let group = facts.plan.document.category.flatMap {
      user.groupConsents[Subscription(link.channel, group: $0)]
    }
    let reached = ReachRule.verdict(
      channel: link.channel, class: facts.plan.document.messageClass, consents: user.consents,
      group: group ?? .unknown, addresses: user.identities, devices: user.devices,
      suppressed: user.suppressed,
      unknown: facts.unknownConsent)
    let found: ReachRule.Address
    switch reached {
    case .reachable(let address): found = address
    case .noConsent:
      return .next(
        .noConsent, .consent, ["channel": .string(link.channel.rawValue), "consent": "unknown"])
    case .denied:
      var seen: JSONObject = ["channel": .string(link.channel.rawValue), "consent": "denied"]
      if group == .denied { seen["group"] = .optional(facts.plan.document.category) }
      return .next(.denied, .consent, .object(seen))
    case .suppressed:
      return .next(.suppressed, .consent, ["channel": .string(link.channel.rawValue)])
    case .noAddress:
      return .next(.noAddress, .reachable, ["channel": .string(link.channel.rawValue)])
    }
    // A webhook wakes nobody.
    if facts.plan.step(entry.stepID)?.kind != .webhook {
      if let refusal = pressure(entry, link, at: index, user, facts) { return refusal }
      if let held = hours(user, facts) { return held }
    }
    if let coupon = link.coupon { return .verdict(.issue(link: index, coupon: coupon)) }
    return handOver(entry, link, at: index, found, facts)
  }

  private func handOver(
    _ entry: QueueEntry, _ link: PlanDocument.Link, at index: Int, _ found: ReachRule.Address,
    _ facts: Facts
  ) -> LinkDecision {
    var able = (facts.senders[link.channel] ?? []).compactMap { sender in
      address(found, for: sender, entry, facts).map { (sender, $0) }
    }
    if index == entry.link, entry.isInDoubt {
      // Another sender would not know that it had this one already.
      able = able.filter { $0.0.key == entry.sender }
      if able.isEmpty { return .verdict(.noSender(link: index)) }
    }
    if able.isEmpty {
      if facts.senders[link.channel]?.isEmpty ?? true { return .verdict(.noSender(link: index)) }
      return .next(.noAddress, .reachable, ["channel": .string(link.channel.rawValue)])
    }
    if !entry.isInDoubt {
      let ends = able.map { facts.spentUntil($0.0) }
      if let first = ends.compactMap(\.self).min(), ends.allSatisfy({ $0 != nil }) {
        return .verdict(
          .postpone(
            Deferral(
              until: first, gate: .pace, code: .quotaSpent,
              values: [
                "channel": .string(link.channel.rawValue), "until": .instant(first),
              ])))
      }
      able = zip(able, ends).filter { $0.1 == nil }.map(\.0)
    }
    // The sender and the content of a link stay those of its first try.
    let key = "\(entry.deliveryID.text)-\(index)"
    let chosen =
      able.first { index == entry.link && $0.0.key == entry.sender }
      ?? SenderChoice.pick(able, weight: { $0.0.sender.weight }, by: key)
    guard let chosen else { return .verdict(.noSender(link: index)) }
    if index == entry.link, let content = entry.content {
      return .verdict(
        .handOver(link: index, address: chosen.1, sender: chosen.0, content: content))
    }
    guard let name = link.template.map({ facts.variant?.templates[$0] ?? $0 }),
      let template = facts.plan.templates[name]
    else {
      return .next(.missingValue, .render, ["template": .optional(link.template)])
    }
    var variables = facts.variables
    variables.unsubscribeURL = facts.unsubscribeURL(link.channel)
    switch template.render(variables) {
    case .content(var content):
      if facts.plan.document.messageClass == .marketing, let url = variables.unsubscribeURL {
        content.addUnsubscribeHeaders(url, link.channel)
      }
      return .verdict(
        .handOver(link: index, address: chosen.1, sender: chosen.0, content: content))
    case .skip(let missing), .fail(let missing):
      return .next(
        .missingValue, .render,
        ["template": .string(name), "missing": .array(missing.map(JSONValue.string))])
    }
  }

  private func address(
    _ found: ReachRule.Address, for sender: StoredSender, _ entry: QueueEntry, _ facts: Facts
  ) -> Address? {
    switch found {
    case .phone(let phone): return Address(kind: .phone, value: phone)
    case .email(let email): return Address(kind: .email, value: email)
    case .openid(let openid): return Address(kind: .openid, value: openid)
    case .none: return Address(kind: .userID, value: entry.userID.text)
    case .devices(let devices):
      let providers = facts.tokenProviders(sender)
      let device = devices.first { providers?.contains($0.provider) ?? true }
      return device.map { Address(kind: .token, value: $0.token, provider: $0.provider) }
    }
  }
}

/// Which of several senders carries a message.
enum SenderChoice {
  /// By weight, drawn from `key` alone: the same message draws the same sender while the choice
  /// is the same. Those of weight 0 take part only when there is no other.
  static func pick<T>(_ choices: [T], weight: (T) -> Int, by key: String) -> T? {
    let heavy = choices.filter { weight($0) > 0 }
    guard !heavy.isEmpty else { return choices.first }
    let total = heavy.reduce(0) { $0 + weight($1) }
    // FNV-1a is enough to spread load; nothing depends on its quality.
    let hash = key.utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
      ($0 ^ UInt64($1)) &* 1_099_511_628_211
    }
    var point = Int((hash >> 11) % UInt64(total))
    for choice in heavy {
      point -= weight(choice)
      if point < 0 { return choice }
    }
    return heavy.last
  }
}

extension JSONValue {
  /// Headers of an e-mail by which mailboxes offer to unsubscribe in one click (RFC 8058).
  fileprivate mutating func addUnsubscribeHeaders(_ url: String, _ channel: Channel) {
    guard channel == .email, var content = objectValue else { return }
    content["headers"] = [
      "List-Unsubscribe": .string("<\(url)>"),
      "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    ]
    self = .object(content)
  }
}
