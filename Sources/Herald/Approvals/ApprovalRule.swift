import JSON

/// When a submission needs more than one approver. A rule without conditions holds for every plan;
/// otherwise all of its conditions must.
public struct ApprovalRule: Sendable, Equatable {
  public let name: String
  /// People the plan may reach.
  public let minAudience: Int?
  /// What its coupons may cost in this currency.
  public let minCouponCost: Money?
  public let messageClass: MessageClass?
  /// Any of them.
  public let channels: [Channel]
  /// One after the other.
  public let stages: [ApprovalStage]

  /// Why the rule holds, for people; nil when it does not.
  func reason(_ measure: ApprovalMeasure) -> String? {
    var reasons: [String] = []
    if let minAudience {
      guard measure.people >= minAudience else { return nil }
      reasons.append("\(measure.people) people, from \(minAudience) on")
    }
    if let minCouponCost {
      guard let reason = Self.cost(minCouponCost, measure) else { return nil }
      reasons.append(reason)
    }
    if let messageClass {
      guard measure.messageClass == messageClass else { return nil }
      reasons.append("class \(messageClass.rawValue)")
    }
    if !channels.isEmpty {
      let used = channels.filter(measure.channels.contains)
      guard !used.isEmpty else { return nil }
      reasons.append("channel \(used.map(\.rawValue).joined(separator: ", "))")
    }
    return reasons.isEmpty ? "every plan" : reasons.joined(separator: "; ")
  }

  /// A coupon whose cost nobody can say beforehand counts as costing too much.
  private static func cost(_ least: Money, _ measure: ApprovalMeasure) -> String? {
    if let cost = measure.couponCost.first(where: { $0.currency == least.currency }),
      cost.units >= least.units
    {
      return "coupons for up to \(cost.amount) \(cost.currency), from \(least.amount) on"
    }
    guard !measure.unpriced.isEmpty else { return nil }
    let names = measure.unpriced.map { "'\($0)'" }.joined(separator: ", ")
    return "the cost of coupon \(names) is not known beforehand"
  }
}

/// Some people who must agree before the next stage begins.
public struct ApprovalStage: Sendable, Equatable {
  public let name: String
  public let approvers: Int
  /// Only these may decide here; empty: every approver and admin.
  public let principals: [String]

  /// Of the same name and for the same people, however many of them must agree.
  func isSame(as other: ApprovalStage) -> Bool {
    name == other.name && Set(principals) == Set(other.principals)
  }

  static let single = ApprovalStage(name: "approval", approvers: 1, principals: [])
}

/// What the rules look at.
struct ApprovalMeasure: Sendable, Equatable {
  let people: Int
  /// At most, one amount for each currency.
  let couponCost: [Money]
  /// Coupons that may be issued whose cost depends on the orders.
  let unpriced: [String]
  let messageClass: MessageClass
  let channels: Set<Channel>
}

/// What a submission asks for, fixed when it is made.
struct ApprovalDemand: Sendable, Equatable {
  struct Match: Sendable, Equatable {
    let rule: String
    let reason: String
  }

  let people: Int
  let couponCost: [Money]
  let unpriced: [String]
  let matches: [Match]
  /// Never empty.
  let stages: [ApprovalStage]

  /// The stages of all rules that hold, in their order. A stage of the same name and the same people
  /// is one stage, with the larger number of approvers.
  init(_ measure: ApprovalMeasure, rules: [ApprovalRule]) {
    people = measure.people
    couponCost = measure.couponCost
    unpriced = measure.unpriced
    var matches: [Match] = []
    var stages: [ApprovalStage] = []
    for rule in rules {
      guard let reason = rule.reason(measure) else { continue }
      matches.append(Match(rule: rule.name, reason: reason))
      for stage in rule.stages {
        let known = stages.firstIndex { $0.isSame(as: stage) }
        guard let known else {
          stages.append(stage)
          continue
        }
        stages[known] = ApprovalStage(
          name: stage.name, approvers: max(stages[known].approvers, stage.approvers),
          principals: stage.principals)
      }
    }
    self.matches = matches
    self.stages = stages.isEmpty ? [.single] : stages
  }

  /// Stages that neither of the others asks for, or not for as many people.
  func stages(beyond others: [ApprovalDemand]) -> [ApprovalStage] {
    stages.filter { stage in
      !others.flatMap(\.stages).contains {
        $0.isSame(as: stage) && $0.approvers >= stage.approvers
      }
    }
  }

  init(
    people: Int, couponCost: [Money], unpriced: [String], matches: [Match],
    stages: [ApprovalStage]
  ) {
    self.people = people
    self.couponCost = couponCost
    self.unpriced = unpriced
    self.matches = matches
    self.stages = stages.isEmpty ? [.single] : stages
  }
}
