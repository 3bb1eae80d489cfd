import JSON

extension ApprovalMeasure {
  /// What a dry run found, with the coupons as the manifest pins them. Of an event trigger: the
  /// entries of the last 30 days, or everybody who could enter when there were none yet.
  init(_ dryRun: DryRun, _ manifest: Manifest, _ document: PlanDocument) throws {
    try self.init(people: dryRun.people, stock: dryRun.stock, manifest, document)
  }

  /// `stock`: what is left of each coupon.
  init(
    people: Int, stock: [String: Int], _ manifest: Manifest, _ document: PlanDocument
  ) throws {
    self.people = people
    messageClass = document.messageClass
    channels = document.channels
    var costs: [String: Int] = [:]
    var unpriced: [String] = []
    for key in document.coupons.sorted() {
      guard let frozen = manifest.coupons[key] else { continue }
      // Of a stream nobody knows how many: up to what the plan may issue, or what there is.
      let wanted =
        document.trigger.isStream ? Int.max : people * document.mostCodes(key)
      let number = min(wanted, document.limits.coupons[key] ?? .max, stock[key] ?? 0)
      guard number > 0 else { continue }
      guard case .amountOff(let value) = try Coupon(key: key, manifest: frozen).discount.kind else {
        unpriced.append(key)
        continue
      }
      let (cost, isOver) = value.units.multipliedReportingOverflow(by: number)
      let (sum, isSumOver) = costs[value.currency, default: 0].addingReportingOverflow(cost)
      costs[value.currency] = isOver || isSumOver ? Money.mostUnits : min(sum, Money.mostUnits)
    }
    couponCost = costs.sorted { $0.key < $1.key }.compactMap {
      Money(units: $0.value, currency: $0.key)
    }
    self.unpriced = unpriced
  }
}
