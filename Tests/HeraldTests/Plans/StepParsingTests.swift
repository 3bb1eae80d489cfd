import Foundation
import JSON
import Testing

@testable import Herald

@Suite("Steps of plan documents") struct StepParsingTests {
  /// As product.md has them.
  static let example = #"""
    {"id": "nudge", "not_after": "30m", "send": {"chain": [
        {"channel": "push", "template": "p"},
        {"channel": "sms", "template": "m", "after": "10m", "unless": "delivered"}]}},
    {"id": "later", "wait_until": {"event": "order_paid", "timeout": "24h"}, "then": "thanks",
     "else": "sweeten"},
    {"id": "sweeten", "send": {"chain": [{"channel": "coupon", "coupon": "c"}]}, "next": "tell"},
    {"id": "tell", "send": {"chain": [{"channel": "push", "template": "p"}]}, "next": "end"},
    {"id": "thanks", "tag": {"add": "paid_after_nudge"}, "next": "end"}
    """#

  private static let send = PlanText.step("a", PlanText.push)

  private func ways(_ text: String) throws -> [[String]] {
    try PlanText.parse(PlanText.plan(steps: text)).steps.map { step in
      step.successors.map { $0?.id ?? "end" }
    }
  }

  @Test("the example leads where it says")
  func example() throws {
    #expect(
      try ways(Self.example) == [["later"], ["thanks", "sweeten"], ["tell"], ["end"], ["end"]])
    let plan = try PlanText.parse(PlanText.plan(steps: Self.example))
    #expect(plan.coupons(people: 10, max) == ["c": 10])
    #expect(plan.coupons(people: 10, min) == [:])
    #expect(!plan.isForeseeable)
    #expect(plan.longestWait(from: Date()) == 600 + 86_400)
    #expect(plan.tags == ["paid_after_nudge"])
  }

  @Test("branches and splits lead on by each of their ways")
  func forks() throws {
    let branch = #"""
      {"id": "b", "branch": [{"if": {"condition": {"tag": "vip"}}, "then": "d"},
        {"if": {"where": [{"property": "amount", "gte": 9}], "step": "a", "is": "opened"},
         "then": "end"}], "else": "c"}
      """#
    let split = #"""
      {"id": "c", "split": [{"share": 0.25, "then": "d"}, {"share": 0.25, "then": "e"}]}
      """#
    let tail = #"{"id": "d", "wait": "1h", "next": "end"}, {"id": "e", "exit": {"reason": "lost"}}"#
    #expect(
      try ways([Self.send, branch, split, tail].joined(separator: ",")) == [
        ["b"], ["d", "end", "c"], ["d", "e", "d"], ["end"], ["end"],
      ])
  }

  private static let faulty: [(String, Set<String>)] = [
    (#"{"id": "w", "wait": "0s"}"#, ["out_of_range /steps/0/wait"]),
    (#"{"id": "w", "wait": "1h", "tag": {"add": "t"}}"#, ["invalid_format /steps/0"]),
    (#"{"id": "w", "wait": "1h", "not_after": "1h"}"#, ["unknown_field /steps/0/not_after"]),
    (#"{"id": "w", "wait": "1h", "else": "end"}"#, ["unknown_field /steps/0/else"]),
    (#"{"id": "w", "wait_until": {}}"#, ["required /steps/0/wait_until"]),
    (#"{"id": "w", "wait_until": {"event": "e"}}"#, ["required /steps/0/wait_until/timeout"]),
    (
      #"{"id": "w", "wait_until": {"event": "e", "at": "10:00", "timeout": "1h"}}"#,
      ["invalid_format /steps/0/wait_until"]
    ),
    (#"{"id": "w", "wait_until": {"at": "25:00"}}"#, ["invalid_format /steps/0/wait_until/at"]),
    (
      #"{"id": "w", "wait_until": {"at": "10:00", "zone": "Mars"}, "else": "end"}"#,
      ["invalid_format /steps/0/wait_until/zone", "invalid /steps/0/else"]
    ),
    (#"{"id": "x", "branch": []}"#, ["out_of_range /steps/0/branch"]),
    (
      #"{"id": "x", "branch": [{"if": {}, "then": "y"}, {"if": {"step": "x", "is": "seen"}}]}"#,
      [
        "required /steps/0/branch/0/if", "unknown_step /steps/0/branch/0/then",
        "unknown_step /steps/0/branch/1/if/step", "invalid_choice /steps/0/branch/1/if/is",
        "required /steps/0/branch/1/then",
      ]
    ),
    (
      #"{"id": "x", "branch": [{"if": {"condition": {"tagg": 1}}, "then": "end"}]}"#,
      ["required /steps/0/branch/0/if/condition"]
    ),
    (
      #"{"id": "x", "split": [{"share": 0.7, "then": "end"}, {"share": 0.4, "then": "end"}]}"#,
      ["out_of_range /steps/0/split/1/share"]
    ),
    (#"{"id": "x", "update_user": {}}"#, ["required /steps/0/update_user/attributes"]),
    (
      #"{"id": "x", "update_user": {"attributes": {}}}"#,
      ["required /steps/0/update_user/attributes"]
    ),
    (#"{"id": "x", "tag": {}}"#, ["required /steps/0/tag"]),
    (#"{"id": "x", "tag": {"remove": "t", "value": 1}}"#, ["required /steps/0/tag/add"]),
    (#"{"id": "x", "tag": {"add": "t", "value": [1]}}"#, ["type_mismatch /steps/0/tag/value"]),
    (#"{"id": "x", "exit": {"reason": "r"}, "next": "end"}"#, ["invalid /steps/0/next"]),
    (
      PlanText.steps(
        #"{"id": "x", "wait": "1h", "next": "end"}"#, #"{"id": "y", "wait": "1h"}"#,
        #"{"id": "z", "wait": "1h"}"#),
      ["unreachable_step /steps/1/id", "unreachable_step /steps/2/id"]
    ),
  ]

  @Test("every fault of a step is named at its place", arguments: faulty)
  func faults(text: String, expected: Set<String>) throws {
    #expect(try PlanText.faults(of: PlanText.plan(steps: text)) == expected)
  }

  @Test("people leave by a goal only where there is one")
  func exit() throws {
    #expect(
      try PlanText.faults(of: PlanText.plan(#""exit": {"on_goal": true, "at": 1}"#)) == [
        "required /exit/on_goal", "unknown_field /exit/at",
      ])
  }
}
