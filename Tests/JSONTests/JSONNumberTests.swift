import JSON
import Testing

@Suite("JSON numbers")
struct JSONNumberTests {
  @Test(
    "equal values have equal canonical texts",
    arguments: [
      ("1.0", "1", true), ("1e3", "1000", true), ("-0", "0", true), ("0e5", "0.00", true),
      ("1.000000000000000005", "1", false), ("0.1", "1e-1", true), ("0.05", "5E-2", true),
      ("9007199254740993", "9007199254740992", false), ("120", "12e1", true),
      ("0.30", "0.3", true), ("-1", "1", false), ("100e-2", "1", true),
    ])
  func equality(left: String, right: String, equal: Bool) throws {
    let (a, b) = (try #require(JSONNumber(left)), try #require(JSONNumber(right)))
    #expect((a == b) == equal)
    #expect((a.canonicalText == b.canonicalText) == equal)
    #expect(JSONNumber(a.canonicalText) == a)
    #expect((a.hashValue == b.hashValue) == equal)
  }

  @Test("order is exact")
  func order() throws {
    let texts = [
      "-1e300", "-10", "-9.5", "-1", "-0.5", "-1e-300", "0", "1e-300", "0.05", "0.5", "1",
      "1.000000000000000005", "9.99", "10", "9007199254740992", "9007199254740993", "1e300",
    ]
    let numbers = try texts.map { try #require(JSONNumber($0)) }
    for (i, a) in numbers.enumerated() {
      for (j, b) in numbers.enumerated() { #expect((a < b) == (i < j), "\(a) < \(b)") }
    }
  }

  @Test(
    "integers",
    arguments: [
      ("1.0", 1), ("1e3", 1000), ("9223372036854775807", Int.max),
      ("-9223372036854775808", Int.min), ("9223372036854775807.0", Int.max),
      ("9223372036854775808", nil), ("1.5", nil), ("1e300", nil), ("-0.0", 0),
    ] as [(String, Int?)])
  func integers(text: String, expected: Int?) throws {
    #expect(try #require(JSONNumber(text)).intValue == expected)
  }

  @Test("doubles become valid JSON")
  func doubles() {
    for value in [0, -0.0, 1, 0.1, 1e16, 1.5e300, 5e-300, .leastNonzeroMagnitude, -123.25] {
      #expect(JSONNumber(value)?.doubleValue == value)
      #expect(JSONNumber(JSONNumber(value)?.text ?? "")?.doubleValue == value)
    }
    #expect(JSONNumber(Double.nan) == nil)
    #expect(JSONNumber(" 1") == nil)
    #expect(JSONNumber("1 ") == nil)
    #expect(JSONNumber("+1") == nil)
  }
}
