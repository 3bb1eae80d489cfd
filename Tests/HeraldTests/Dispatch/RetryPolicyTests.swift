import Foundation
import Testing

@testable import Herald

@Suite("When and by whom a message is tried") struct RetryPolicyTests {
  @Test("waits double, half of each drawn, and none is longer than an hour")
  func bounds() {
    for tries in 1...200 {
      let full = min(pow(2, Double(tries)), RetryPolicy.longest)
      let least = RetryPolicy.delay(tries: tries, asked: nil, jitter: 0)
      let most = RetryPolicy.delay(tries: tries, asked: nil, jitter: 0.999_999)
      #expect(least == full / 2)
      #expect(most > least)
      #expect(most <= full)
    }
    #expect(RetryPolicy.delay(tries: 0, asked: nil, jitter: 0) == 1)
    #expect(RetryPolicy.delay(tries: .max, asked: nil, jitter: 5) == RetryPolicy.longest)
  }

  @Test("never before the provider said, but within the hour")
  func asked() {
    #expect(RetryPolicy.delay(tries: 1, asked: .seconds(90), jitter: 0.9) == 90)
    #expect(RetryPolicy.delay(tries: 8, asked: .seconds(1), jitter: 0) == 128)
    #expect(RetryPolicy.delay(tries: 1, asked: .seconds(1_000_000_000), jitter: 0) == 3600)
    #expect(RetryPolicy.delay(tries: 1, asked: .seconds(-5), jitter: 0) == 1)
  }

  @Test("senders share by weight; the same message draws the same one")
  func weights() {
    let choices = [("a", 30), ("b", 10), ("c", 0)]
    var counts: [String: Int] = [:]
    for number in 0..<10_000 {
      let first = SenderChoice.pick(choices, weight: \.1, by: "delivery-\(number)")
      let again = SenderChoice.pick(choices, weight: \.1, by: "delivery-\(number)")
      #expect(first?.0 == again?.0)
      counts[first?.0 ?? "", default: 0] += 1
    }
    #expect((7000...8000).contains(counts["a", default: 0]))
    #expect(counts["a", default: 0] + counts["b", default: 0] == 10_000)
  }

  @Test("weight 0 carries only what no other can")
  func noWeight() {
    #expect(SenderChoice.pick([("c", 0)], weight: \.1, by: "x")?.0 == "c")
    #expect(SenderChoice.pick([(String, Int)](), weight: \.1, by: "x") == nil)
  }

  @Test("a breaker opens after trouble in a row and lets nothing through meanwhile")
  func breaker() {
    let health = SenderHealth()
    let trouble = AttemptOutcome.retry(after: nil, reason: "503")
    health.record("a", outcomes: Array(repeating: trouble, count: SenderHealth.limit - 1))
    #expect(health.admit("a", wanted: 7) == 7)
    health.record("a", outcomes: [.sent(providerID: nil), trouble])
    #expect(health.admit("a", wanted: 7) == 7)
    health.record("a", outcomes: Array(repeating: trouble, count: SenderHealth.limit))
    #expect(health.admit("a", wanted: 7) == 0)
    #expect(health.admit("b", wanted: 7) == 7)
    health.record("a", outcomes: [.sent(providerID: nil)])
    #expect(health.admit("a", wanted: 7) == 7)
  }
}
