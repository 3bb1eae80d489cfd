import Foundation
import JSON
import Testing

@testable import Herald

/// Plan documents as texts, so that tests show what an operator writes.
enum PlanText {
  /// A good one with `more` members after the others.
  static func plan(_ more: String = "", steps: String? = nil) -> String {
    let steps =
      steps ?? #"{"id": "hello", "send": {"chain": [{"channel": "push", "template": "p"}]}}"#
    let tail = more.isEmpty ? "" : ", \(more)"
    return #"""
      {"name": "Hello", "trigger": {"segment": "crowd", "at": "now"}, "steps": [\#(steps)]\#(tail)}
      """#
  }

  static func step(_ id: String, _ chain: String, _ more: String = "") -> String {
    let tail = more.isEmpty ? "" : ", \(more)"
    return #"{"id": "\#(id)", "send": {"chain": [\#(chain)]}\#(tail)}"#
  }

  /// Several steps, or the links of a chain.
  static func steps(_ texts: String...) -> String { texts.joined(separator: ",") }

  static let push = #"{"channel": "push", "template": "p"}"#
  static let coupon = #"{"channel": "coupon", "coupon": "c"}"#

  /// `code pointer` of every fault found.
  static func faults(of text: String) throws -> Set<String> {
    let faults = Faults()
    _ = PlanDocument.parse(try JSONScanner.parse(Array(text.utf8)), faults: faults)
    return Set(faults.all.map { "\($0.code.rawValue) \($0.pointer)" })
  }

  static func parse(_ text: String) throws -> PlanDocument {
    try PlanDocument.stored(try JSONScanner.parse(Array(text.utf8)))
  }
}

@Suite("Plan documents") struct PlanDocumentTests {
  @Test("every fault is named at once, each at its place")
  func everything() throws {
    let text = #"""
      {"name": "", "nmae": 1, "class": "transactional", "priority": 101, "category": 7,
       "goals": [{"stage": "woo", "event": "x", "within": "3d"},
                 {"stage": "recall", "event": "order_paid", "within": "3 days"}],
       "trigger": {"segment": "Vip!", "at": "tomorrow"},
       "window": {"from": "2026-12-02T00:00:00Z", "until": "2026-12-01T00:00:00Z"},
       "steps": [
         {"id": "a", "send": {"chain": [{"channel": "coupon", "coupon": "c"},
                                        {"channel": "push", "template": "p"}]}, "next": "nowhere"},
         {"id": "a", "not_after": "soon",
          "send": {"chain": [{"channel": "sms", "template": "m", "after": "10m"}]}},
         {"id": "end", "send": {"chain": []}},
         {"id": "b", "wate": "1h"}, 5,
         {"id": "e", "send": {"chain": [{"channel": "coupon", "coupon": "c", "template": "p"}]}},
         {"id": "f", "send": {"chain": [{"channel": "push", "template": "p", "coupon": "c"},
           {"channel": "fax", "template": "p", "after": "1h", "unless": "bounced"}]}}],
       "holdout": 0.1, "limits": {"audience": 0, "coupons": {"ghost": 5}},
       "quiet_hours": {"from": "25:00", "until": "08:00", "zone": "Mars/Base", "on_hit": "wait"}}
      """#
    #expect(
      try PlanText.faults(of: text) == [
        "out_of_range /name", "unknown_field /nmae", "out_of_range /priority",
        "type_mismatch /category", "invalid_choice /goals/0/stage",
        "invalid_format /goals/1/within", "invalid_format /trigger/segment",
        "invalid_format /trigger/at", "out_of_range /window/until",
        "invalid /steps/0/send/chain/0", "unknown_step /steps/0/next", "duplicate /steps/1/id",
        "invalid_format /steps/1/not_after", "required /steps/1/send/chain/0/unless",
        "invalid /steps/1/send/chain/0/after", "invalid /steps/2/id",
        "out_of_range /steps/2/send/chain", "required /steps/3", "type_mismatch /steps/4",
        "invalid /steps/5/send/chain/0/template", "invalid /steps/6/send/chain/0/coupon",
        "invalid_choice /steps/6/send/chain/1/channel",
        "invalid_choice /steps/6/send/chain/1/unless", "invalid /holdout",
        "out_of_range /limits/audience", "unknown_coupon /limits/coupons/ghost",
        "invalid_format /quiet_hours/from", "invalid_format /quiet_hours/zone",
        "invalid_choice /quiet_hours/on_hit", "invalid /quiet_hours",
      ])
  }

  private static let singles: [(String, Set<String>)] = [
    ("[]", ["type_mismatch "]),
    ("{}", ["required /name", "required /trigger", "required /steps"]),
    (PlanText.plan(#""holdout": 0.6"#), ["out_of_range /holdout"]),
    (PlanText.plan(#""holdout": "5%""#), ["type_mismatch /holdout"]),
    (PlanText.plan(#""audience": {"tag": 5}"#), ["type_mismatch /audience/tag"]),
    (PlanText.plan(#""goals": {}"#), ["type_mismatch /goals"]),
    (
      PlanText.plan(
        #"""
        "goals": [{"stage": "convert", "event": "a", "within": "1d", "primary": true},
                  {"stage": "retain", "event": "b", "within": "1d", "primary": true}]
        """#),
      ["invalid /goals"]
    ),
    (
      PlanText.plan(#""quiet_hours": {"from": "22:00", "until": "22:00"}"#),
      ["out_of_range /quiet_hours/until"]
    ),
    (PlanText.plan(steps: ""), ["out_of_range /steps"]),
    (
      PlanText.plan(
        steps: PlanText.steps(
          PlanText.step("a", PlanText.push), PlanText.step("b", PlanText.push, #""next": "a""#))),
      ["unknown_step /steps/1/next"]
    ),
    (
      PlanText.plan(
        steps: PlanText.step(
          "a",
          PlanText.steps(
            PlanText.push, #"{"channel": "sms", "template": "m", "unless": "opened"}"#))),
      ["required /steps/0/send/chain/1/after"]
    ),
    (
      PlanText.plan(steps: PlanText.step("a", #"{"channel": "push"}"#)),
      ["required /steps/0/send/chain/0/template"]
    ),
    (
      PlanText.plan(steps: PlanText.step("a", #"{"channel": "coupon"}"#)),
      ["required /steps/0/send/chain/0/coupon"]
    ),
    (
      PlanText.plan(
        #""class": "transactional", "quiet_hours": {"from": "22:00", "until": "1:00"}"#),
      ["invalid /quiet_hours", "invalid_format /quiet_hours/until"]
    ),
  ]

  @Test("a single fault is found where it is", arguments: singles)
  func single(text: String, expected: Set<String>) throws {
    #expect(try PlanText.faults(of: text) == expected)
  }

  @Test("a link or step that cannot be read does not shift the places of the others")
  func places() throws {
    let fax = #"{"channel": "fax", "template": "p"}"#
    let text = PlanText.plan(
      steps: PlanText.steps(
        "7", PlanText.step("a", PlanText.steps(fax, PlanText.coupon, PlanText.push))))
    #expect(
      try PlanText.faults(of: text) == [
        "type_mismatch /steps/0", "invalid_choice /steps/1/send/chain/0/channel",
        "invalid /steps/1/send/chain/1",
      ])
  }

  @Test("what is left out has its default, and steps follow each other")
  func defaults() throws {
    let steps = ["a", "b", "c"].map { PlanText.step($0, PlanText.push) }
    let plan = try PlanText.parse(PlanText.plan(steps: steps.joined(separator: ",")))
    #expect(plan.messageClass == .marketing)
    #expect(plan.priority == 50)
    #expect(plan.holdoutBuckets == 0)
    #expect(plan.trigger.at == nil)
    #expect(plan.steps.map(\.next?.id) == ["b", "c", nil])
    #expect(!plan.limits.allowPartialStock)
  }

  @Test("'next' jumps forward and 'end' ends")
  func next() throws {
    let steps = [
      #"{"id": "a", "split": [{"share": 0.5, "then": "b"}], "next": "c"}"#,
      PlanText.step("b", PlanText.push, #""next": "end""#), PlanText.step("c", PlanText.push),
    ]
    let plan = try PlanText.parse(PlanText.plan(steps: steps.joined(separator: ",")))
    #expect(plan.steps.map(\.next?.id) == ["c", nil, nil])
  }

  @Test("codes are needed of coupons that everybody gets, not of those a chain falls back on")
  func unconditional() throws {
    let steps = [
      PlanText.step("a", PlanText.coupon),
      PlanText.step("b", PlanText.steps(PlanText.push, #"{"channel": "coupon", "coupon": "d"}"#)),
      PlanText.step("c", PlanText.coupon),
    ]
    let plan = try PlanText.parse(PlanText.plan(steps: steps.joined(separator: ",")))
    #expect(plan.coupons(people: 7, min) == ["c": 14])
  }
}
