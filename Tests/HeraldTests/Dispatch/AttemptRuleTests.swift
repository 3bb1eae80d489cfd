import Foundation
import JSON
import Testing

@testable import Herald

@Suite("What follows from an attempt") struct AttemptRuleTests {
  private static let now = GateScene.now
  private static let content: JSONValue = ["title": "Hi"]

  /// What `outcome` at `link` of a chain push, sms leads to, in words.
  private func after(
    _ outcome: AttemptOutcome, link: Int = 0, tries: Int = 0, phase: QueueEntry.Phase = .send,
    entryLink: Int? = nil, waits: Bool = false, safe: Bool = false
  ) throws -> Settlement {
    let follow = waits ? #", "after": "10m", "unless": "opened""# : ""
    let chain = PlanText.push + #",{"channel": "sms", "template": "m"\#(follow)}"#
    let steps = PlanText.step("hello", chain) + "," + PlanText.step("bye", PlanText.push)
    let plan = try PlanText.parse(PlanText.plan(steps: steps))
    let entry = GateScene.entry(link: entryLink ?? link, phase: phase, tries: tries)
    let sender = GateScene.sender("gw", link == 0 ? .push : .sms)
    let handover = Handover(
      entry: entry, link: link, channel: sender.sender.channel, sender: sender,
      message: OutboundMessage(
        deliveryID: entry.deliveryID, idempotencyKey: "k", channel: sender.sender.channel,
        address: Address(kind: .token, value: "t"), content: Self.content, userID: entry.userID,
        externalID: nil, plan: "k", step: "hello"), preparedAt: Self.now)
    var settlement = Settlement(lease: UUID())
    AttemptRule(
      step: try #require(plan.step("hello")), now: Self.now, jitter: { 0.5 }, resendsSafely: safe
    ).apply(outcome, of: handover, startedAt: Self.now, to: &settlement)
    return settlement
  }

  @Test("sent: settled, and the next step begins")
  func sent() throws {
    let found = try after(.sent(providerID: "x"))
    #expect(found.words == ["try 1 sent", "is sent", "opens bye"])
    #expect(found.outcomes.first?.providerID == "x")
  }

  @Test("sent with a follow-up behind it: settled, and looked at again when the wait is over")
  func sentWaiting() throws {
    let found = try after(.sent(providerID: nil), waits: true)
    #expect(found.words == ["try 1 sent", "is sent", "follow_up at 0 in 600s"])
  }

  @Test("refused for good: the next link at once, or failed at the end of the chain")
  func rejected() throws {
    let refused = AttemptOutcome.rejected(reason: "410", addressDead: true)
    #expect(try after(refused).words == ["try 1 failed 410", "send at 1 in 0s"])
    #expect(
      try after(refused, waits: true).words == ["try 1 failed 410", "send at 1 in 0s"])
    #expect(
      try after(refused, link: 1).words == ["try 1 failed 410", "is failed 410", "opens bye"])
  }

  @Test("not now: again after a wait, with the same sender and content")
  func retry() throws {
    let found = try after(.retry(after: .seconds(100), reason: "503"), tries: 2)
    #expect(found.words == ["try 3 retry 503", "send at 0 in 100s tries 3"])
    #expect(found.postponements.first?.content == Self.content)
    #expect(found.postponements.first?.sender == "gw")
  }

  @Test("tried as often as may be: as if refused")
  func exhausted() throws {
    let outcome = AttemptOutcome.retry(after: nil, reason: "503")
    #expect(
      try after(outcome, tries: RetryPolicy.ceiling - 1).words == [
        "try 8 failed 503", "send at 1 in 0s",
      ])
    #expect(
      try after(outcome, link: 1, tries: RetryPolicy.ceiling - 1).words == [
        "try 8 failed 503", "is failed retries_exhausted", "opens bye",
      ])
  }

  @Test("no answer: unknown for good, unless the receiver tells repeats apart")
  func unknown() throws {
    let outcome = AttemptOutcome.unknown(reason: "timeout")
    #expect(
      try after(outcome).words == ["try 1 unknown timeout", "is unknown timeout", "opens bye"])
    #expect(
      try after(outcome, safe: true).words == ["try 1 unknown timeout", "send at 0 in 2s tries 1"])
    #expect(
      try after(outcome, tries: RetryPolicy.ceiling - 1, safe: true).words == [
        "try 8 unknown timeout", "is unknown timeout", "opens bye",
      ])
  }

  @Test("the account is at fault: another try under a number of its own, any sender")
  func senderFault() throws {
    let found = try after(.senderFault(reason: "401"), tries: 1)
    #expect(found.words == ["try 2 retry 401", "send at 0 in 5s tries 2"])
    #expect(found.postponements.first?.sender == nil)
  }

  @Test("tries are counted link by link")
  func perLink() throws {
    let found = try after(
      .retry(after: nil, reason: "503"), link: 1, tries: 7, phase: .followUp, entryLink: 0)
    #expect(found.words == ["try 1 retry 503", "send at 1 in 2s tries 1"])
  }
}

extension Settlement {
  fileprivate var words: [String] {
    var words: [String] = []
    for attempt in attempts {
      words.append(Self.sentence("try \(attempt.number) \(attempt.status)", attempt.reason))
    }
    for outcome in outcomes {
      words.append(Self.sentence("is \(outcome.status.rawValue)", outcome.reason))
    }
    for later in postponements {
      let wait = later.dueAt.map { Int($0.timeIntervalSince(GateScene.now).rounded()) } ?? -1
      let tries = later.tries > 0 ? "tries \(later.tries)" : nil
      words.append(
        Self.sentence("\(later.phase.rawValue) at \(later.link) in \(wait)s", tries))
    }
    for opening in openings { words.append("opens \(opening.step.id)") }
    for ending in endings { words.append("ends \(ending.state)") }
    return words
  }

  private static func sentence(_ text: String, _ more: String?) -> String {
    more.map { "\(text) \($0)" } ?? text
  }
}
