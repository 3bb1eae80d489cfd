import Foundation
import JSON

/// An amount that is never a Double: `{"amount": "12.50", "currency": "CNY"}`.
public struct Money: Sendable, Hashable {
  /// As it was written; up to 12 digits before the point and as many after it as the currency has.
  public let amount: String
  /// ISO 4217.
  public let currency: String
  /// In ten-thousandths.
  let units: Int

  /// Nil unless `amount` is a plain decimal, not negative, that the currency can express.
  public init?(amount: String, currency: String) {
    guard let places = Self.places(of: currency),
      let units = Self.units(amount, places: places)
    else { return nil }
    self.amount = amount
    self.currency = currency
    self.units = units
  }

  /// The most that can be written.
  static let mostUnits = 999_999_999_999 * 10_000

  /// From ten-thousandths; nil when there are more of them than can be written, or fewer than none,
  /// or the currency is none. What the currency cannot express is left off.
  init?(units: Int, currency: String) {
    guard let places = Self.places(of: currency), 0...Self.mostUnits ~= units else { return nil }
    let (whole, rest) = units.quotientAndRemainder(dividingBy: 10_000)
    let digits = String(repeating: "0", count: 4 - String(rest).count) + String(rest)
    self.init(
      amount: places == 0 ? String(whole) : "\(whole).\(digits.prefix(places))",
      currency: currency)
  }

  public var json: JSONValue {
    ["amount": .string(amount), "currency": .string(currency)]
  }

  /// Equal worth: `12.5` is `12.50`.
  public static func == (left: Money, right: Money) -> Bool {
    left.units == right.units && left.currency == right.currency
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(units)
    hasher.combine(currency)
  }

  private static func units(_ text: String, places: Int) -> Int? {
    let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard let whole = parts.first, 1...12 ~= whole.count, parts.count <= 2,
      whole.count == 1 || whole.first != UInt8(ascii: "0")
    else { return nil }
    let fraction = parts.count == 2 ? Array(parts[1]) : []
    guard parts.count == 1 || 1...max(places, 1) ~= fraction.count, fraction.count <= places else {
      return nil
    }
    let padding = [UInt8](repeating: UInt8(ascii: "0"), count: 4 - fraction.count)
    var units = 0
    for digit in Array(whole) + fraction + padding {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
      units = units * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return units
  }

  /// How many digits after the point; nil for what is no currency.
  static func places(of currency: String) -> Int? {
    guard currency.utf8.count == 3 else { return nil }
    if currencies.contains(currency) { return 2 }
    return exceptions[currency]
  }

  private static let exceptions: [String: Int] = [
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
    "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3,
    "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
  ]

  /// ISO 4217, those with two digits.
  private static let currencies = Set(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
    CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD \
    HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA \
    MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN \
    QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TOP TRY \
    TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG
    """.split(separator: " ").map(String.init))
}

extension ObjectReader {
  /// A Money of more than nothing, or of nothing with `allowsZero`.
  func money(_ key: String, required: Bool = false, allowsZero: Bool = false) -> Money? {
    guard let reader = object(key, required: required) else { return nil }
    defer { reader.finish() }
    let amount = reader.string("amount", required: true, minLength: 1, maxLength: 20)
    let currency = reader.string("currency", required: true, minLength: 3, maxLength: 3)
    guard let amount, let currency else { return nil }
    guard Money.places(of: currency) != nil else {
      reader.add(.invalidFormat, "currency", "An ISO 4217 code such as CNY is expected here.")
      return nil
    }
    guard let money = Money(amount: amount, currency: currency) else {
      reader.add(
        .invalidFormat, "amount",
        "A decimal that \(currency) can express is expected here, as a string such as \"12.50\".")
      return nil
    }
    guard allowsZero || money.units > 0 else {
      reader.add(.outOfRange, "amount", "More than nothing is expected here.")
      return nil
    }
    return money
  }
}
