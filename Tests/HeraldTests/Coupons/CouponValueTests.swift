import Foundation
import JSON
import Testing

@testable import Herald

@Suite("Coupon values")
struct CouponValueTests {
  @Test(
    "take amounts that their currency can express",
    arguments: [("12.50", "CNY"), ("0", "CNY"), ("0.5", "USD"), ("1200", "JPY"), ("1.125", "KWD")])
  func money(_ amount: String, _ currency: String) {
    #expect(Money(amount: amount, currency: currency)?.amount == amount)
  }

  @Test(
    "refuse other amounts",
    arguments: [
      ("12.505", "CNY"), ("-1", "CNY"), ("01", "CNY"), ("1.", "CNY"), (".5", "CNY"), ("1e2", "CNY"),
      ("12.5", "JPY"), ("1", "cny"), ("1", "XXX"), ("1", "¥"), ("", "CNY"), ("1.2.3", "CNY"),
      ("1,000", "CNY"), ("1234567890123", "CNY"), ("１２", "CNY"), ("+1", "CNY"),
    ])
  func noMoney(_ amount: String, _ currency: String) {
    #expect(Money(amount: amount, currency: currency) == nil)
  }

  @Test("compare amounts by worth")
  func worth() throws {
    let one = try #require(Money(amount: "12.5", currency: "CNY"))
    #expect(one == Money(amount: "12.50", currency: "CNY"))
    #expect(one != Money(amount: "12.50", currency: "USD"))
    #expect(one.units == 125_000)
  }

  @Test("make codes of the pattern, every character as likely as the others")
  func pattern() throws {
    let pattern = try #require(CodePattern("W26-########"))
    let codes = pattern.random(20_000)
    #expect(codes.allSatisfy { $0.hasPrefix("W26-") && CouponCode.normalised($0) == $0 })
    var seen: [UInt8: Int] = [:]
    for code in codes { for byte in code.utf8.dropFirst(4) { seen[byte, default: 0] += 1 } }
    #expect(Set(seen.keys) == Set(CodePattern.alphabet))
    // 160,000 draws of 29: 5517 each, standard deviation 73. A modulo would miss by 690.
    #expect(seen.values.allSatisfy { abs($0 - 5517) < 440 })
  }

  @Test(
    "refuse patterns that could be guessed or are none",
    arguments: [
      ("W26-#####", 1, "guessable"), ("A######", 600_000, "guessable"),
      ("w26-########", 1, "invalid_format"), ("W26 ########", 1, "invalid_format"),
      ("###", 1, "out_of_range"), (String(repeating: "#", count: 65), 1, "too_long"),
      ("########", 1_000_001, "out_of_range"), ("########", 0, "out_of_range"),
    ])
  func guessable(_ pattern: String, _ count: Int, _ code: String) throws {
    let faults = Faults()
    let reader = try #require(
      ObjectReader(["count": .int(count), "pattern": .string(pattern)], faults: faults))
    _ = CodeGeneration(reader)
    #expect(faults.all.map(\.code.rawValue) == [code])
  }

  @Test(
    "read codes as people type them",
    arguments: [
      (" w26-abcd efgh \u{3000}", "W26-ABCDEFGH"), ("W26_ABCD", nil), ("abc", nil), ("ÀBCD", nil),
      ("\u{0}ABCD", nil),
    ])
  func normalised(_ text: String, _ code: String?) {
    #expect(CouponCode.normalised(text) == code)
  }

  @Test(
    "point at what is wrong with a definition",
    arguments: [
      (#"{"discount": {"type": "half"}}"#, "/discount/type"),
      (#"{"discount": {"type": "amount_off"}}"#, "/discount/value"),
      (
        #"{"discount": {"type": "amount_off", "value": {"amount": "0", "currency": "CNY"}}}"#,
        "/discount/value/amount"
      ),
      (#"{"discount": {"type": "percent_off", "value": 0}}"#, "/discount/value"),
      (#"{"discount": {"type": "percent_off", "value": 100.5}}"#, "/discount/value"),
      (#"{"discount": {"type": "free_item", "value": 1}}"#, "/discount/value"),
      (#"{"valid": {}}"#, "/valid/until"),
      (#"{"valid": {"days_after_issue": 0}}"#, "/valid/days_after_issue"),
      (#"{"valid": {"days_after_issue": 7, "until": "2026-01-01T00:00:00Z"}}"#, "/valid/until"),
      (
        #"{"valid": {"from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}"#,
        "/valid/until"
      ),
      (#"{"per_user": 0}"#, "/per_user"),
      (#"{"codes": {}}"#, "/codes/generate"),
      (
        #"{"codes": {"generate": {"count": 5, "pattern": "W########", "length": 8}}}"#,
        "/codes/generate/length"
      ),
      (#"{"sender": "voucherify"}"#, "/sender"),
    ])
  func faults(_ change: String, _ pointer: String) throws {
    var object = try #require(CouponFixture.document.objectValue)
    for (key, value) in try JSONScanner.parse(Array(change.utf8)).objectValue ?? [:] {
      object[key] = value
    }
    let error = #expect(throws: HeraldError.self) {
      try CouponFixture.definition("w26", .object(object))
    }
    #expect(error?.faults.map(\.pointer.description) == [pointer])
  }

  @Test("survive the way through a manifest")
  func manifest() throws {
    for discount: JSONValue in [
      ["type": "percent_off", "value": .number(try #require(JSONNumber("12.50")))],
      ["type": "free_item", "item": "tea"], ["type": "free_shipping"],
    ] {
      var object = try #require(CouponFixture.document(perUser: 3).objectValue)
      object["discount"] = discount
      let coupon = try CouponFixture.definition("w26", .object(object)).coupon
      let stored = StoredCoupon(
        coupon: coupon, generation: nil, codes: 0, version: 4, createdAt: CouponFixture.now,
        updatedAt: CouponFixture.now)
      #expect(try Coupon(key: "w26", manifest: stored.manifestJSON) == coupon)
      #expect(coupon.discount.json == discount)
    }
  }
}
