import Foundation
import JSON
import Testing

@testable import Herald

/// One delivery before its gates, and everything the gates are told.
struct GateScene {
  static let now = Date(timeIntervalSince1970: 1_793_000_000)

  var plan: ApprovedPlan
  var user: User? = GateScene.person()
  var senders: [Channel: [StoredSender]] = [
    .push: [GateScene.sender("gw-push", .push)], .sms: [GateScene.sender("gw-sms", .sms)],
  ]
  var tokenProviders: Set<String>?
  var receiptArrived = false
  var holidays: [Holiday] = []
  var now = GateScene.now

  /// A plan of one step "hello" with this chain; `more` are further members of the document.
  init(chain: String, _ more: String = "", step: String = "") throws {
    plan = try Self.plan(PlanText.plan(more, steps: PlanText.step("hello", chain, step)))
  }

  static func plan(_ text: String) throws -> ApprovedPlan {
    let document = try JSONScanner.parse(Array(text.utf8))
    let manifest = Manifest(
      plan: "k", version: 1, document: document,
      templates: [
        "p": template(.push, ["title": "Hi", "body": "Hi {{ user.name }}"]),
        "m": template(.sms, ["text": "Hi {{ user.name | default: 'you' }}"]),
      ], coupons: [:], senders: [:], closure: .empty, userScope: nil)
    return try ApprovedPlan(
      PlanVersion(
        plan: "k", version: 1, document: document, hash: "", state: .live, stateReason: nil,
        manifest: manifest.json, manifestHash: "", author: "li.lei", createdAt: now,
        updatedAt: now, launchAt: nil))
  }

  private static func template(_ channel: Channel, _ content: JSONValue) -> JSONValue {
    [
      "version": 1, "channel": .string(channel.rawValue), "content": content, "on_missing": "skip",
    ]
  }

  static func sender(_ key: String, _ channel: Channel, weight: Int = 10) -> StoredSender {
    StoredSender(
      sender: Sender(
        key: key, channel: channel, adapter: "record", config: [:], weight: weight,
        pacePerSecond: nil, concurrency: 4, timeout: .seconds10),
      sealedSecrets: nil, state: .active, stateReason: nil, version: 1, createdAt: now,
      updatedAt: now)
  }

  static func person(
    name: JSONValue? = "李雷", phone: Bool = true, device: Bool = true,
    consents: [Channel: ConsentState] = [.sms: .granted, .push: .granted],
    zone: String? = "Asia/Shanghai", suppressed: Set<SuppressedAddress> = []
  ) -> User {
    var attributes = JSONObject()
    attributes["name"] = name
    return User(
      id: UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)),
      identities: phone
        ? [Identity(kind: .externalID, value: "u-1")]
          + IdentityKind.all.filter {
            $0.key == "phone"
          }.map { Identity(kind: $0, value: "+8613800138000") } : [],
      attributes: attributes, tags: [:], consents: consents,
      devices: device ? [Device(provider: "fcm", token: "t", platform: "android")] : [],
      timeZone: zone, locale: nil, suppressed: suppressed, createdAt: now, updatedAt: now,
      version: 1)
  }

  static func entry(
    link: Int = 0, phase: QueueEntry.Phase = .send, tries: Int = 0, sender: String? = nil,
    content: JSONValue? = nil, stepEnteredAt: Date = GateScene.now
  ) -> QueueEntry {
    QueueEntry(
      lane: 0, deliveryID: UUID(uuid: (9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9)),
      userID: person().id, runID: UUID(), entryKey: "", stepID: "hello", occurrence: 1,
      enteredAt: now,
      stepEnteredAt: stepEnteredAt, plan: "k", planVersion: 1, priority: 50, link: link,
      phase: phase, tries: tries, claims: 1, sender: sender, content: content, handedOverAt: nil)
  }

  var facts: Gatekeeper.Facts {
    Gatekeeper.Facts(
      plan: plan, user: user,
      variables: RenderVariables(user: user?.renderJSON ?? [:], plan: ["key": "k"]),
      senders: senders, tokenProviders: { _ in tokenProviders }, receiptArrived: receiptArrived,
      projectZone: "Asia/Shanghai", projectQuietHours: nil, unknownConsent: .standard,
      holidays: holidays)
  }

  /// The verdict in words, preceded by what was passed over: `0:no_consent 1>gw-sms`.
  func decide(_ entry: QueueEntry = GateScene.entry()) -> String {
    let (verdict, passes) = Gatekeeper(now: now).decide(entry, facts)
    let passed = passes.map { "\($0.link):\($0.code.rawValue)" }
    return (passed + [verdict.words]).joined(separator: " ")
  }
}

extension Gatekeeper.Verdict {
  fileprivate var words: String {
    switch self {
    case .skip(let code, let gate, _): "skip \(code.rawValue)@\(gate.rawValue)"
    case .exhausted: "exhausted"
    case .settled: "settled"
    case .postpone(let wait): "postpone \(wait.gate.rawValue) \(wait.until.rfc3339)"
    case .handOver(let link, let address, let sender, _):
      "\(link)>\(sender.key) \(address.kind.rawValue)"
    case .noSender(let link): "no_sender \(link)"
    case .issue(let link, let coupon): "issue \(link) \(coupon)"
    }
  }
}

extension TimeSpan {
  /// Ten seconds, a sender's usual limit.
  static var seconds10: TimeSpan {
    guard let span = TimeSpan("10s") else { preconditionFailure("10s is a duration") }
    return span
  }
}
