import Foundation
import JSON

/// The people of a simulated month, each the same for a seed.
struct MonthPeople: Sendable {
  let form: MonthForm

  static let cities = ["Hamburg", "Lyon", "Osaka", "Quito", "Leeds"]

  /// With changes of clocks at midnight, by half an hour off the hour, and none at all. Empty: none
  /// of their own.
  private static let zones = [
    "Asia/Shanghai", "Asia/Shanghai", "Asia/Shanghai", "America/New_York", "America/New_York",
    "Europe/London", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "America/Havana",
    "Asia/Beirut", "Pacific/Auckland", "Asia/Kathmandu", "America/Los_Angeles", "", "", "", "", "",
  ]

  /// With one clock in the country and with several.
  private static let phones = [
    "+4915", "+4915", "+4479", "+8190", "+8525", "+8613", "+9198", "+1202", "+6141",
  ]

  static func key(_ index: Int) -> String { "m-\(index)" }

  func user(_ index: Int) -> JSONValue {
    var random = TortureRandom(seed: form.seed ^ (UInt64(index) &* 0x9e37_79b9_7f4a_7c15))
    func draw(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }
    let zone = Self.zones[draw(0..<Self.zones.count)]
    var attributes: JSONObject = [
      "name": .string("P\(index)"), "age": .int(draw(16..<80)), "batch": .int(draw(0..<100)),
      "birthday": .string(birthday(draw(0..<400))),
    ]
    if draw(0..<10) > 0 { attributes["city"] = .string(Self.cities[draw(0..<5)]) }
    if draw(0..<3) == 0 { attributes["trial_ends"] = .string(day(draw(0..<Int(form.days) + 3))) }
    var identities: JSONObject = ["external_id": .string(Self.key(index))]
    if draw(0..<12) > 0 {
      let prefix = Self.phones[draw(0..<Self.phones.count)]
      identities["phone"] = .string("\(prefix)\(10_000_000 + index)")
    }
    if draw(0..<3) > 0 { identities["email"] = .string("p\(index)@example.com") }
    var consents = JSONObject()
    for channel in ["push", "sms", "email", "email:news"] {
      let answer = ["granted", "granted", "granted", "denied", "unknown"][draw(0..<5)]
      if answer != "unknown" { consents[channel] = .string(answer) }
    }
    let hasDevice = draw(0..<6) > 0
    var user: JSONObject = [
      "identities": .object(identities), "attributes": .object(attributes),
      "consents": .object(consents),
      "devices": hasDevice
        ? [["platform": "ios", "token": .string("t-\(index)"), "provider": "http"]] : [],
    ]
    if !zone.isEmpty { user["time_zone"] = .string(zone) }
    return .object(user)
  }

  /// One in forty on 29 February, many of the others on days of the month itself.
  private func birthday(_ draw: Int) -> String {
    if draw < 10 { return "1988-02-29" }
    let day = draw < 200 ? day(draw % (Int(form.days) + 3)) : day(draw)
    return "1985" + day.dropFirst(4)
  }

  private func day(_ number: Int) -> String {
    String(form.start.addingTimeInterval(Double(number) * 86_400).rfc3339.prefix(10))
  }
}
