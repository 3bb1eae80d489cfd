import JSON
import Testing

@testable import Herald

@Suite("What approval rules ask for") struct ApprovalRuleTests {
  private static func settings(_ json: JSONValue) -> (settings: ApprovalSettings?, faults: [String])
  {
    let faults = Faults()
    let settings = ObjectReader(json, faults: faults).map(ApprovalSettings.init)
    return (settings, faults.all.map { "\($0.code.rawValue) \($0.pointer)" })
  }

  private static let rules: JSONValue = [
    "rules": [
      ["name": "large", "min_audience": 1000, "stages": [["name": "marketing", "approvers": 2]]],
      [
        "name": "costly", "min_coupon_cost": ["amount": "500.00", "currency": "CNY"],
        "stages": [["name": "marketing"], ["name": "finance", "principals": ["qian"]]],
      ],
      [
        "name": "texts", "class": "marketing", "channels": ["sms", "email"],
        "stages": [["name": "marketing", "approvers": 1]],
      ],
    ]
  ]

  private static func demand(
    people: Int = 10, cost: [Money?] = [], unpriced: [String] = [],
    _ messageClass: MessageClass = .marketing, _ channels: Set<Channel> = [.push]
  ) throws -> ApprovalDemand {
    let measure = ApprovalMeasure(
      people: people, couponCost: cost.compactMap(\.self), unpriced: unpriced,
      messageClass: messageClass, channels: channels)
    let demand = ApprovalDemand(measure, rules: try #require(settings(rules).settings).rules)
    #expect(try ApprovalDemand(stored: demand.json) == demand)
    return demand
  }

  @Test("without a rule that holds, one approver")
  func single() throws {
    #expect(try Self.demand(people: 999).stages == [.single])
  }

  @Test("rules that hold add up: the most approvers of a stage, the stages one after the other")
  func combined() throws {
    let demand = try Self.demand(
      people: 1000, cost: [Money(amount: "500", currency: "CNY")], .marketing, [.sms])
    #expect(demand.matches.map(\.rule) == ["large", "costly", "texts"])
    #expect(
      demand.stages == [
        ApprovalStage(name: "marketing", approvers: 2, principals: []),
        ApprovalStage(name: "finance", approvers: 1, principals: ["qian"]),
      ])
  }

  @Test("every condition of a rule must hold")
  func conditions() throws {
    #expect(try Self.demand(.transactional, [.sms]).matches.isEmpty)
    #expect(try Self.demand(.marketing, [.email, .push]).matches.map(\.rule) == ["texts"])
  }

  @Test("money counts in its own currency; a cost nobody knows counts as too much")
  func money() throws {
    #expect(try Self.demand(cost: [Money(amount: "900", currency: "EUR")]).matches.isEmpty)
    #expect(try Self.demand(cost: [Money(amount: "499.99", currency: "CNY")]).matches.isEmpty)
    #expect(try Self.demand(unpriced: ["half"]).matches.map(\.rule) == ["costly"])
  }

  @Test("settings read back as they were written, and every fault has its place")
  func reading() throws {
    let (settings, faults) = Self.settings(Self.rules)
    #expect(faults == [])
    #expect(Self.settings(try #require(settings).json).settings == settings)
    let bad = Self.settings([
      "rules": [
        ["name": "a", "min_audience": 0, "stages": []],
        [
          "name": "b", "channels": ["fax"],
          "stages": [["name": "x", "approvers": 2, "principals": ["one"]], ["approvers": 11]],
        ],
        ["name": "c", "stages": [["name": "x"]]], ["name": "c", "stages": [["name": "x"]], "n": 1],
      ], "expire_after": "30s", "remind_after": 5,
    ]).faults
    #expect(
      Set(bad) == [
        "out_of_range /rules/0/min_audience", "out_of_range /rules/0/stages",
        "invalid_choice /rules/1/channels/0", "out_of_range /rules/1/stages/0/principals",
        "required /rules/1/stages/1/name", "out_of_range /rules/1/stages/1/approvers",
        "unknown_field /rules/3/n", "duplicate /rules/3/name", "out_of_range /expire_after",
        "type_mismatch /remind_after",
      ])
  }

  @Test("an amount comes from its parts, and never more than can be written")
  func amounts() {
    #expect(Money(units: 12_345_600, currency: "CNY")?.amount == "1234.56")
    #expect(Money(units: 12_345_600, currency: "JPY")?.amount == "1234")
    #expect(Money(units: 500, currency: "KWD")?.amount == "0.050")
    #expect(Money(units: Money.mostUnits, currency: "CNY")?.amount == "999999999999.00")
    #expect(Money(units: Money.mostUnits + 1, currency: "CNY") == nil)
  }
}
