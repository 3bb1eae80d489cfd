import Foundation
import JSON
import Testing

@testable import Herald

@Suite struct QuietHoursGateTests {
  /// 8 in the morning in Shanghai.
  private static let now = Date(timeIntervalSince1970: 1_767_225_600)
  private static let early = QuietHours(from: 22 * 60, until: 9 * 60, zone: nil, onHit: .drop)
  private static let late = QuietHours(from: 22 * 60, until: 7 * 60, zone: nil, onHit: .drop)

  private static func plan(_ hours: JSONValue?, _ kind: String) throws -> ApprovedPlan {
    var document: JSONObject = [
      "name": "Hello", "class": .string(kind), "trigger": ["segment": "crowd", "at": "now"],
      "steps": [["id": "gift", "send": ["chain": [["channel": "coupon", "coupon": "ten"]]]]],
    ]
    if let hours { document["quiet_hours"] = hours }
    return try ApprovedPlan(
      PlanVersion(
        plan: "p", version: 1, document: .object(document), hash: "sha256:0", state: .live,
        stateReason: nil,
        manifest: [
          "plan": "p", "version": 1, "document": .object(document),
          "segments": ["lists": [:], "conditions": [:]],
        ], manifestHash: "sha256:0", author: "li.lei", createdAt: now, updatedAt: now,
        launchAt: nil))
  }

  /// Whether the person gets the coupon now.
  private static func passes(
    _ own: JSONValue?, project: QuietHours?, class kind: String = "marketing"
  ) throws -> Bool {
    let user = User(
      id: UUID(), identities: [], attributes: [:], tags: [:], consents: [:], devices: [],
      timeZone: nil, locale: nil, suppressed: [], createdAt: now, updatedAt: now, version: 1)
    let entry = QueueEntry(
      lane: 0, deliveryID: UUID(), userID: user.id, runID: UUID(), entryKey: "", stepID: "gift",
      occurrence: 1,
      enteredAt: now, stepEnteredAt: now, plan: "p", planVersion: 1, priority: 50, link: 0,
      phase: .send, tries: 0, claims: 1, sender: nil, content: nil, handedOverAt: nil)
    let facts = Gatekeeper.Facts(
      plan: try plan(own, kind), user: user,
      variables: RenderVariables(user: [:], event: [:], plan: [:], steps: [:]), senders: [:],
      tokenProviders: { _ in nil }, receiptArrived: false, projectZone: "Asia/Shanghai",
      projectQuietHours: project, unknownConsent: .standard)
    switch Gatekeeper(now: now).decide(entry, facts).verdict {
    case .issue: return true
    case .skip(.quietHours, _, _): return false
    default:
      Issue.record("neither issued nor quiet")
      return false
    }
  }

  @Test("the project's quiet hours hold for plans that name none of their own")
  func project() throws {
    #expect(try Self.passes(nil, project: nil))
    #expect(try !Self.passes(nil, project: Self.early))
    #expect(try Self.passes(nil, project: Self.late))
  }

  @Test("a plan's own quiet hours stand in the place of the project's")
  func own() throws {
    #expect(try Self.passes(["from": "22:00", "until": "07:00"], project: Self.early))
    #expect(
      try !Self.passes(
        ["from": "22:00", "until": "09:00", "on_hit": "drop"], project: Self.late))
  }

  @Test("transactional plans know no quiet hours")
  func transactional() throws {
    #expect(try Self.passes(nil, project: Self.early, class: "transactional"))
  }
}
