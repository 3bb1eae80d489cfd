import Conditions
import Foundation
import JSON
import HeraldTesting
import Testing

/// Reproducible randomness (SplitMix64).
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Draws documents of the language, in any legal spelling.
struct ConditionGenerator {
  var random: Seeded

  mutating func pick<T>(_ choices: [T]) -> T {
    choices[Int.random(in: 0..<choices.count, using: &random)]
  }
  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

  mutating func condition(_ depth: Int) -> JSONValue {
    if depth > 0, chance(60) {
      let parts = (0..<Int.random(in: 1...3, using: &random)).map { _ in condition(depth - 1) }
      return pick([["all": .array(parts)], ["any": .array(parts)], ["not": parts[0]]])
    }
    return leaf()
  }

  mutating func leaf() -> JSONValue {
    switch Int.random(in: 0..<9, using: &random) {
    case 0: return object(["attribute": text()], operators())
    case 1: return object(["tag": pick(["vip", "tier"])], chance(50) ? [:] : operators())
    case 2: return event()
    case 3: return sequence()
    case 4:
      return ["consent": pick(["sms", "push"]), "is": pick(["granted", "denied", "unknown"])]
    case 5: return ["reachable": pick(["email", "wechat"])]
    case 6: return ["segment": pick(["a", "b-1"])]
    case 7: return chance(50) ? ["received": "p"] : ["received": "p", "within": window()]
    default:
      return ["bucket": [.int(Int.random(in: 0...10, using: &random)), 9999], "salt": text()]
    }
  }

  mutating func event() -> JSONValue {
    var members: JSONObject = ["event": text()]
    if chance(50) { members["within"] = window() }
    if chance(50) { members["where"] = filters() }
    if chance(50) {
      members["sum"] = text()
      members["gte"] = number()
    } else if chance(50) {
      members["count"] = ["between": [0, number()]]
    }
    return .object(members)
  }

  mutating func sequence() -> JSONValue {
    var steps: [JSONValue] = []
    for index in 0..<Int.random(in: 2...4, using: &random) {
      var step: JSONObject = ["event": text()]
      if chance(50) { step["within"] = index == 0 ? window() : duration() }
      if index > 0, chance(50) { step["same"] = text() }
      if chance(30) { step["where"] = filters() }
      steps.append(.object(step))
    }
    return chance(50)
      ? ["sequence": .array(steps)] : ["sequence": .array(steps), "absent": "last"]
  }

  mutating func filters() -> JSONValue {
    .array(
      (0..<Int.random(in: 0...2, using: &random)).map { _ in
        object(["property": text()], operators())
      })
  }

  mutating func operators() -> JSONObject {
    var members = JSONObject()
    for _ in 0..<Int.random(in: 1...2, using: &random) {
      let name = pick(Comparison.Operator.allCases)
      members[name.rawValue] = operand(name)
    }
    return members
  }

  mutating func operand(_ name: Comparison.Operator) -> JSONValue {
    switch name {
    case .eq, .ne, .contains: pick([number(), text(), true, false])
    case .isIn, .notIn: .array([number(), text()])
    case .gt, .gte, .lt, .lte: pick([number(), text()])
    case .between: [0, number()]
    case .exists: pick([true, false])
    case .startsWith: text()
    case .matchesDay: pick(["today", "02-29", "2027-03-01", ["days_from_now": -3]])
    case .before, .after:
      pick([
        "now", "2026-01-01", "2026-01-01T00:00:00.1234567+08:00", ["ago": duration()],
        ["ahead": "1w"],
      ])
    }
  }

  mutating func text() -> JSONValue { pick(["a", "é", "e\u{301}", "x\"y", "数", "👋", "a.b"]) }
  mutating func number() -> JSONValue {
    .number(
      JSONNumber(
        pick(["0", "1", "1.50", "1e3", "0.1", "12345678901234567890", "1e300", "0.00000010"]))
        ?? JSONNumber(0))
  }
  mutating func duration() -> JSONValue { pick(["30s", "10m", "24h", "7d", "2w", "90s"]) }
  mutating func window() -> JSONValue {
    pick([duration(), ["last": ["days": 7]], ["last": ["days": 1, "zone": "Asia/Shanghai"]]])
  }
  func object(_ first: JSONObject, _ rest: JSONObject) -> JSONValue {
    .object(JSONObject(first.members + rest.members))
  }
}

@Suite("Conditions at random")
struct RandomConditionTests {
  @Test("documents are read, agree with the schema, and survive the canonical form")
  func roundTrip() throws {
    let seed = UInt64.random(in: 0..<1000)
    var generator = ConditionGenerator(random: Seeded(state: seed))
    let schema = SchemaChecker(root: Condition.schema)
    for _ in 0..<2000 {
      let document = generator.condition(3)
      let faults = Faults()
      let parsed = Condition.parse(document, faults: faults)
      #expect(faults.all.isEmpty, "seed \(seed): \(document.text)")
      guard let parsed else { continue }
      let canonical = parsed.json
      let again = Condition.parse(try JSONScanner.parse(canonical.bytes), faults: faults)
      #expect(again == parsed, "seed \(seed): \(document.text)")
      #expect(again?.json.bytes == canonical.bytes, "seed \(seed): \(document.text)")
      #expect(try schema.accepts(document), "seed \(seed): \(document.text)")
      #expect(try schema.accepts(canonical), "seed \(seed): \(canonical.text)")
    }
  }

  @Test("spoiled documents are refused with a fault, never otherwise; the schema refuses none more")
  func spoiled() throws {
    let seed = UInt64.random(in: 0..<1000)
    var generator = ConditionGenerator(random: Seeded(state: seed))
    let schema = SchemaChecker(root: Condition.schema)
    let junk: [JSONValue] = [.null, true, 0, -1, "", "x", [], [:], ["a": 1], [[:]], "9999999999w"]
    var refused = 0
    for _ in 0..<3000 {
      let document = spoil(generator.condition(2), with: generator.pick(junk), &generator.random)
      let faults = Faults()
      let parsed = Condition.parse(document, faults: faults)
      #expect((parsed == nil) == !faults.isEmpty, "seed \(seed): \(document.text)")
      if parsed == nil {
        refused += 1
      } else {
        #expect(try schema.accepts(document), "\(document.text)")
      }
      for fault in faults.all where fault.code != .required {
        #expect(document[fault.pointer] != nil, "seed \(seed): \(fault) of \(document.text)")
      }
    }
    #expect(refused > 1000)
  }

  /// Replaces, somewhere inside, one value by junk or adds it as a member.
  private func spoil(
    _ value: JSONValue, with junk: JSONValue, _ random: inout Seeded
  ) -> JSONValue {
    switch value {
    case .object(var object) where !object.isEmpty:
      let key = object.keys[Int.random(in: 0..<object.count, using: &random)]
      switch Int.random(in: 0..<6, using: &random) {
      case 0: object[key] = nil
      case 1: object["junk"] = junk
      default: object[key] = object[key].map { spoil($0, with: junk, &random) }
      }
      return .object(object)
    case .array(var elements) where !elements.isEmpty:
      let index = Int.random(in: 0..<elements.count, using: &random)
      elements[index] = spoil(elements[index], with: junk, &random)
      return .array(elements)
    default: return junk
    }
  }
}
