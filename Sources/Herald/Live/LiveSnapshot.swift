import Foundation
import JSON

/// What is happening in a plan at one moment: counts over the runs that are under way, or the latest
/// one when none is.
struct LiveSnapshot: Sendable {
  struct Refusal: Sendable, Equatable {
    let at: Date
    let step: String
    let channel: String?
    let status: String
    let reason: String
    /// How many had the same fate.
    let count: Int
  }

  let plan: String
  let at: Date
  let state: PlanState?
  let paused: Bool
  let pause: StoredPause?
  /// What the kill switch holds back of it: `all`, `channel:…`.
  let stopped: [String]
  let runs: Int
  /// By state, `undecided` among them.
  let people: [String: Int]
  /// By status.
  let deliveries: [String: Int]
  /// Messages that went out after another one of their delivery.
  let followUps: Int
  let inFlight: Int
  /// The latest first.
  let refusals: [Refusal]
  /// Sent since the snapshot before, by the second; 0 on the first.
  var perSecond = 0.0

  /// Follow-ups included.
  var sent: Int { (deliveries[DeliveryStatus.sent.rawValue] ?? 0) + followUps }

  /// Whether nothing can happen any more.
  var isOver: Bool {
    guard let state, [.completed, .cancelled, .superseded].contains(state) else { return false }
    return (deliveries[DeliveryStatus.pending.rawValue] ?? 0) == 0 && (people["active"] ?? 0) == 0
      && (people["undecided"] ?? 0) == 0
  }

  static let peopleStates = ["undecided", "held_out", "skipped", "active", "finished", "exited"]

  /// Without the time: equal bytes mean that nothing happened.
  var changing: JSONValue {
    [
      "plan": .string(plan), "state": .optional(state?.rawValue), "paused": .bool(paused),
      "auto_pause": pause?.json ?? .null, "stopped": .array(stopped.map(JSONValue.string)),
      "runs": .int(runs),
      "people": Self.counts(people, Self.peopleStates),
      "deliveries": Self.counts(deliveries, DeliveryStatus.allCases.map(\.rawValue)),
      "follow_ups": .int(followUps), "in_flight": .int(inFlight), "per_second": .double(perSecond),
      "refusals": .array(
        refusals.map { refusal in
          [
            "at": .instant(refusal.at), "step": .string(refusal.step),
            "channel": .optional(refusal.channel), "status": .string(refusal.status),
            "reason": .string(refusal.reason), "count": .int(refusal.count),
          ]
        }),
    ]
  }

  var json: JSONValue {
    guard case .object(var object) = changing else { return .null }
    object["at"] = .instant(at)
    return .object(object)
  }

  private static func counts(_ counts: [String: Int], _ names: [String]) -> JSONValue {
    .object(JSONObject(names.map { (key: $0, value: .int(counts[$0] ?? 0)) }))
  }

  static let schema: JSONValue = {
    func counts(_ names: [String]) -> JSONValue {
      var properties = JSONObject()
      for name in names { properties[name] = Schema.count }
      return [
        "type": "object", "properties": .object(properties),
        "required": .array(names.map(JSONValue.string)), "additionalProperties": false,
      ]
    }
    return Schema.object([
      "plan": Schema.key,
      "state": Schema.nullable(Schema.choice(PlanState.allCases.map(\.rawValue))),
      "paused": Schema.bool, "auto_pause": Schema.nullable(Schema.ref("AutoPause")),
      "stopped": Schema.array(Schema.string), "runs": Schema.count, "people": counts(peopleStates),
      "deliveries": counts(DeliveryStatus.allCases.map(\.rawValue)), "follow_ups": Schema.count,
      "in_flight": Schema.count, "per_second": Schema.number,
      "refusals": Schema.array(
        Schema.object([
          "at": Schema.instant, "step": Schema.string, "channel": Schema.nullable(Schema.string),
          "status": Schema.string, "reason": Schema.string, "count": Schema.count,
        ]), max: LiveStore.refusals),
      "at": Schema.instant,
    ])
  }()
}
