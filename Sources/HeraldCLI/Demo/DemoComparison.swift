import Foundation
import JSON

/// The gateway's log held against Herald's tables, delivery by delivery.
struct DemoComparison {
  let deliveries: Int
  let attempts: Int
  let calls: Int
  /// Messages that show the code of the coupon which Herald issued to this person.
  let codesShown: Int
  /// What does not agree, in words.
  let differences: [String]

  private struct Call {
    let channel: String
    let status: Int
    let isVerified: Bool
    let content: String
  }

  private struct Sight: Hashable {
    let delivery: UUID
    let channel: String
  }

  init(
    deliveries: [DemoLedger.Delivery], attempts: [DemoLedger.Attempt], log: [UInt8]
  ) {
    var differences: [String] = []
    let calls = Self.calls(log, &differences)
    let seen = Dictionary(grouping: calls, by: \.delivery).mapValues { $0.map(\.call) }
    let made = Dictionary(grouping: attempts, by: \.delivery)
    var codesShown = 0
    for delivery in deliveries {
      let calls = seen[delivery.id] ?? []
      differences += Self.compare(delivery, made[delivery.id] ?? [], calls)
      guard let code = delivery.code, delivery.step == DemoCampaign.tellStep else { continue }
      if calls.contains(where: { !$0.content.contains(code) }) {
        differences.append("delivery \(delivery.id): a message without the code \(code)")
      } else if calls.contains(where: { $0.status == 200 }) {
        codesShown += 1
      }
    }
    let known = Set(deliveries.map(\.id))
    for stranger in seen.keys where !known.contains(stranger) {
      differences.append("delivery \(stranger): the gateway was called, Herald does not know it")
    }
    self.deliveries = deliveries.count
    self.attempts = attempts.count
    self.calls = calls.count
    self.codesShown = codesShown
    self.differences = differences
  }

  private static func compare(
    _ delivery: DemoLedger.Delivery, _ attempts: [DemoLedger.Attempt], _ calls: [Call]
  ) -> [String] {
    var found: [String] = []
    let tried = attempts.map { "\($0.channel) \($0.status)" }
    let answered = calls.map { "\($0.channel) \(outcome($0.status))" }
    if tried != answered {
      found.append(
        "delivery \(delivery.id): Herald tried [\(tried.joined(separator: ", "))], the gateway saw "
          + "[\(answered.joined(separator: ", "))]")
    }
    if calls.contains(where: { !$0.isVerified }) {
      found.append("delivery \(delivery.id): a call without a good signature")
    }
    let taken = calls.count { $0.status == 200 }
    let expected = delivery.status == "sent" && delivery.channel != "coupon" ? 1 : 0
    if taken != expected {
      found.append(
        "delivery \(delivery.id) is '\(delivery.status)', the gateway took \(taken) messages of it")
    }
    return found
  }

  /// What Herald should have made of the gateway's answer.
  private static func outcome(_ status: Int) -> String {
    switch status {
    case 200: "sent"
    case 503: "retry"
    default: "failed"
    }
  }

  private static func calls(
    _ log: [UInt8], _ differences: inout [String]
  ) -> [(delivery: UUID, call: Call)] {
    log.split(separator: 0x0A).compactMap { line in
      guard let json = try? JSONScanner.parse(Array(line)),
        let id = json["delivery_id"]?.stringValue.flatMap(UUID.init(uuidString:)),
        let channel = json["channel"]?.stringValue, let status = json["status"]?.intValue
      else {
        differences.append("a line of the gateway's log cannot be read")
        return nil
      }
      let call = Call(
        channel: channel, status: status, isVerified: json["verified"]?.boolValue ?? false,
        content: json["content"]?.text ?? "")
      return (id, call)
    }
  }
}
