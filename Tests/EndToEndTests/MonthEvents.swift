import Foundation
import JSON

/// What the people of a simulated month do, and when Herald is told: some of it late, out of order,
/// or twice.
struct MonthEvents: Sendable {
  /// By the position of the tick at whose standstill they are told; -1: before any plan is approved.
  private(set) var arrivals: [Int: [JSONValue]] = [:]
  private(set) var count = 0
  private let form: MonthForm
  private let ticks: [Date]
  private var random: TortureRandom

  static let categories = ["shoes", "books", "tea", "lamps", "phones", "coats", "toys", "bikes"]

  init(_ form: MonthForm) {
    self.form = form
    ticks = form.ticks
    random = TortureRandom(seed: form.seed ^ 0xe7e7)
    while count < form.events { visit() }
  }

  private mutating func draw(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

  /// Somebody looks around, and may order and pay.
  private mutating func visit() {
    let share = Double.random(in: 0..<1, using: &random)
    // Some come often, most seldom.
    let user = MonthPeople.key(Int(Double(form.users) * share * share))
    let isBefore = draw(0..<10) == 0
    let from = isBefore ? form.start.addingTimeInterval(-20 * 86_400) : form.start
    let until = isBefore ? form.start : form.end
    var at = from.addingTimeInterval(
      Double.random(in: 0..<until.timeIntervalSince(from), using: &random).rounded(.down))
    func later(_ seconds: Int) { at = at.addingTimeInterval(Double(seconds)) }
    let category = JSONValue.string(Self.categories[draw(0..<8)])
    tell(user, "app_opened", at, ["platform": ["ios", "android", "web"][draw(0..<3)]])
    for _ in 0..<draw(0..<5) {
      later(draw(1..<120))
      tell(user, "page_viewed", at, ["page": .int(draw(0..<20))])
    }
    for _ in 0..<draw(0..<4) {
      later(draw(1..<120))
      tell(user, "product_viewed", at, ["category": category, "price": .int(draw(1..<300))])
    }
    guard draw(0..<3) == 0 else { return }
    later(draw(1..<200))
    tell(user, "cart_added", at, ["category": category, "price": .int(draw(1..<300))])
    guard draw(0..<2) == 0 else { return }
    later(draw(5..<600))
    let order = "o-\(count)"
    let properties: JSONValue = [
      "order_id": .string(order), "amount": .int(draw(5..<400)), "category": category,
    ]
    tell(user, "order_submitted", at, properties)
    if draw(0..<10) == 0 {
      later(draw(0..<4000))
      return tell(user, "order_cancelled", at, ["order_id": .string(order)])
    }
    guard draw(0..<10) < 7 else { return }
    // Now and then of the same instant, or long after.
    later(draw(0..<12) == 0 ? 0 : draw(0..<8) == 0 ? draw(3600..<200_000) : draw(10..<1500))
    tell(user, "order_paid", at, properties)
    guard draw(0..<3) == 0 else { return }
    later(draw(3600..<100_000))
    tell(user, "review_posted", at, ["stars": .int(draw(1..<6)), "order_id": .string(order)])
  }

  private mutating func tell(
    _ user: String, _ name: String, _ at: Date, _ properties: JSONValue
  ) {
    guard at <= form.end else { return }
    let event: JSONValue = [
      "message_id": .string("\(form.seed)-\(count)"), "user": ["external_id": .string(user)],
      "name": .string(name), "timestamp": .string(at.rfc3339), "properties": properties,
    ]
    count += 1
    let delay = draw(0..<16) == 0 ? draw(60..<30_000) : 0
    arrive(event, at.addingTimeInterval(Double(delay)))
    if draw(0..<30) == 0 { arrive(event, at.addingTimeInterval(Double(draw(0..<40_000)))) }
  }

  private mutating func arrive(_ event: JSONValue, _ at: Date) {
    guard at > form.start else { return arrivals[-1, default: []].append(event) }
    // The first tick not before it.
    var low = 0
    var high = ticks.count
    while low < high {
      let middle = (low + high) / 2
      if ticks[middle] < at { low = middle + 1 } else { high = middle }
    }
    if low < ticks.count { arrivals[low, default: []].append(event) }
  }
}
