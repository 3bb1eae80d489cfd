import Foundation
import JSON

/// What follows from the outcome of one attempt, as entries of a settlement.
struct AttemptRule {
  let step: PlanDocument.Step
  let now: Date
  let jitter: () -> Double
  let resendsSafely: Bool

  func apply(
    _ outcome: AttemptOutcome, of handover: Handover, startedAt: Date,
    to settlement: inout Settlement
  ) {
    let entry = handover.entry
    // At a link other than the claimed one the count of tries starts anew.
    let tries = (handover.link == entry.link ? entry.tries : 0) + 1
    func record(_ status: AttemptStatus, _ reason: String?, _ provider: String? = nil) {
      settlement.record(
        Settlement.Attempt(
          entry: entry, link: handover.link, channel: handover.channel, number: tries,
          sender: handover.sender.key, status: status.rawValue, reason: reason,
          providerID: provider, startedAt: startedAt))
    }
    switch outcome {
    case .sent(let provider, let answer):
      record(.sent, nil, provider)
      settlement.set(
        result(
          .sent, nil, handover, provider, values: answer.map { ["result": .string($0)] }))
      let following = handover.link + 1
      if step.chain.indices.contains(following), let wait = step.chain[following].after {
        settlement.postpone(
          entry, until: now.addingTimeInterval(Double(wait.seconds)), link: handover.link,
          phase: .followUp)
      } else {
        settlement.advance(entry, to: step.next(after: answer))
      }
    case .rejected(let reason, _):
      record(.failed, reason)
      fail(handover, reason, to: &settlement)
    case .retry(let after, let reason) where tries < RetryPolicy.ceiling:
      record(.retry, reason)
      again(handover, tries: tries, after: after, doubt: handover.doubt, to: &settlement)
    case .retry(_, let reason):
      record(.failed, reason)
      if handover.doubt == nil {
        fail(handover, "retries_exhausted", to: &settlement)
      } else {
        giveUp(handover, reason, to: &settlement)
      }
    case .unknown(let reason) where resendsSafely && tries < RetryPolicy.ceiling:
      record(.unknown, reason)
      again(handover, tries: tries, after: nil, doubt: startedAt, to: &settlement)
    case .unknown(let reason):
      record(.unknown, reason)
      giveUp(handover, reason, to: &settlement)
    case .senderFault(let reason):
      record(.retry, reason)
      // Nothing went out now; another sender may carry it, unless this one had it before and may
      // have sent it, or this one once it is mended. It counts as a try: each line of the attempts
      // has a number of its own.
      let isInDoubt = handover.doubt != nil
      if handover.slot != nil { settlement.giveBack(handover.entry, link: handover.link) }
      settlement.postpone(
        entry, until: now.addingTimeInterval(5), link: handover.link, tries: tries,
        sender: isInDoubt ? handover.sender.key : nil,
        content: isInDoubt ? handover.message.content : nil, doubt: handover.doubt)
    }
  }

  /// Nobody knows whether it went out, and nobody will try again.
  private func giveUp(_ handover: Handover, _ reason: String, to settlement: inout Settlement) {
    settlement.set(result(.unknown, reason, handover, nil))
    settlement.advance(handover.entry, to: step.next)
  }

  private func again(
    _ handover: Handover, tries: Int, after: Duration?, doubt: Date?,
    to settlement: inout Settlement
  ) {
    let wait = RetryPolicy.delay(tries: tries, asked: after, jitter: jitter())
    settlement.postpone(
      handover.entry, until: now.addingTimeInterval(wait), link: handover.link, tries: tries,
      sender: handover.sender.key, content: handover.message.content, doubt: doubt)
  }

  /// The next link at once, or the end of the chain.
  private func fail(_ handover: Handover, _ reason: String, to settlement: inout Settlement) {
    let following = handover.link + 1
    // Also of one that was in doubt: this refusal is of the same message.
    settlement.giveBack(handover.entry, link: handover.link)
    if step.chain.indices.contains(following) {
      settlement.postpone(handover.entry, until: now, link: following)
    } else {
      settlement.set(result(.failed, reason, handover, nil))
      settlement.advance(handover.entry, to: step.next)
    }
  }

  private func result(
    _ status: DeliveryStatus, _ reason: String?, _ handover: Handover, _ provider: String?,
    values: JSONValue? = nil
  ) -> Settlement.Outcome {
    Settlement.Outcome(
      entry: handover.entry, status: status, reason: reason, gate: nil, values: values,
      channel: handover.channel, sender: handover.sender.key, providerID: provider)
  }
}
