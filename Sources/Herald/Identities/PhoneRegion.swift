/// How telephone numbers are written inside one country or region, as far as it takes to make them
/// international. Numbers that are international already need none of this.
public struct PhoneRegion: Sendable, Equatable {
  /// ISO 3166-1 alpha-2.
  public let code: String
  let calling: String
  /// Dialled before a national number, and no part of it.
  let trunk: String
  /// Digits of a national number without the trunk prefix.
  let lengths: ClosedRange<Int>

  public static let china = PhoneRegion("CN", "86", trunk: "0", 9...11)

  public static let all = [
    china,
    PhoneRegion("US", "1", trunk: "1", 10...10), PhoneRegion("CA", "1", trunk: "1", 10...10),
    PhoneRegion("GB", "44", trunk: "0", 9...10), PhoneRegion("DE", "49", trunk: "0", 6...11),
    PhoneRegion("FR", "33", trunk: "0", 9...9), PhoneRegion("ES", "34", 9...9),
    PhoneRegion("IT", "39", 6...11), PhoneRegion("NL", "31", trunk: "0", 9...9),
    PhoneRegion("RU", "7", trunk: "8", 10...10), PhoneRegion("JP", "81", trunk: "0", 9...10),
    PhoneRegion("KR", "82", trunk: "0", 8...10), PhoneRegion("HK", "852", 8...8),
    PhoneRegion("MO", "853", 8...8), PhoneRegion("TW", "886", trunk: "0", 8...9),
    PhoneRegion("SG", "65", 8...8), PhoneRegion("IN", "91", trunk: "0", 10...10),
    PhoneRegion("ID", "62", trunk: "0", 8...12), PhoneRegion("MY", "60", trunk: "0", 8...10),
    PhoneRegion("TH", "66", trunk: "0", 8...9), PhoneRegion("VN", "84", trunk: "0", 9...10),
    PhoneRegion("PH", "63", trunk: "0", 8...10), PhoneRegion("AU", "61", trunk: "0", 9...9),
    PhoneRegion("BR", "55", trunk: "0", 10...11), PhoneRegion("MX", "52", 10...10),
    PhoneRegion("AE", "971", trunk: "0", 8...9), PhoneRegion("SA", "966", trunk: "0", 8...9),
  ]

  private init(_ code: String, _ calling: String, trunk: String = "", _ lengths: ClosedRange<Int>) {
    self.code = code
    self.calling = calling
    self.trunk = trunk
    self.lengths = lengths
  }

  /// The one zone of the region that an international number is of; nil where there are several, or
  /// nobody knows. `herald_phone_zone` in SQL.
  public static func zone(of phone: String) -> String? {
    guard phone.utf8.first == UInt8(ascii: "+") else { return nil }
    let region = all.filter { phone.dropFirst().hasPrefix($0.calling) }
      .max { $0.calling.utf8.count < $1.calling.utf8.count }
    return region?.zone
  }

  /// Nil where there are several.
  var zone: String? { Self.zones[code] }

  /// Of those that have one zone only, or nearly.
  private static let zones = [
    "CN": "Asia/Shanghai", "GB": "Europe/London", "DE": "Europe/Berlin", "FR": "Europe/Paris",
    "ES": "Europe/Madrid", "IT": "Europe/Rome", "NL": "Europe/Amsterdam", "JP": "Asia/Tokyo",
    "KR": "Asia/Seoul", "HK": "Asia/Hong_Kong", "MO": "Asia/Macau", "TW": "Asia/Taipei",
    "SG": "Asia/Singapore", "IN": "Asia/Kolkata", "MY": "Asia/Kuala_Lumpur",
    "TH": "Asia/Bangkok", "VN": "Asia/Ho_Chi_Minh", "PH": "Asia/Manila", "AE": "Asia/Dubai",
    "SA": "Asia/Riyadh",
  ]

  public static func named(_ code: String) -> PhoneRegion? { all.first { $0.code == code } }

  /// `+` and 7 to 15 digits. Takes what people write: spaces, hyphens, dots, brackets, `00` for `+`,
  /// the trunk prefix, the calling code without `+`.
  func e164(_ text: String) throws(IdentityFault) -> String {
    var digits = ""
    var isInternational = false
    for scalar in text.unicodeScalars {
      switch scalar {
      case "+", "＋":
        guard digits.isEmpty, !isInternational else { throw Self.fault }
        isInternational = true
      case "0"..."9": digits.unicodeScalars.append(scalar)
      case "０"..."９":
        digits.append(String(scalar.value - ("０" as Unicode.Scalar).value))
      case "-", "(", ")", ".", "/", "\u{2010}"..."\u{2015}": break
      default: guard scalar.properties.isWhitespace else { throw Self.fault }
      }
    }
    if !isInternational, digits.hasPrefix("00") {
      digits.removeFirst(2)
      isInternational = true
    }
    if isInternational {
      guard 7...15 ~= digits.utf8.count, digits.first != "0" else { throw Self.fault }
      return "+" + Self.withoutTrunk(digits)
    }
    return "+" + (try national(digits))
  }

  /// Of an international number that has the trunk prefix in it nevertheless, as in `+86 (0)10 …`.
  private static func withoutTrunk(_ digits: String) -> String {
    let region = all.filter { digits.hasPrefix($0.calling + "0") && $0.trunk == "0" }
      .max { $0.calling.utf8.count < $1.calling.utf8.count }
    guard let region else { return digits }
    let national = digits.dropFirst(region.calling.utf8.count + 1)
    return region.lengths.contains(national.utf8.count) ? region.calling + national : digits
  }

  private func national(_ digits: String) throws(IdentityFault) -> String {
    var national = digits[...]
    if !trunk.isEmpty, national.hasPrefix(trunk),
      !lengths.contains(national.utf8.count) || trunk == "0"
    {
      national = national.dropFirst(trunk.utf8.count)
    }
    if lengths.contains(national.utf8.count), national.first != "0" { return calling + national }
    if digits.hasPrefix(calling) {
      let whole = Self.withoutTrunk(digits)
      if lengths.contains(whole.utf8.count - calling.utf8.count) { return whole }
    }
    throw Self.fault
  }

  private static let fault = IdentityFault(
    detail: "A telephone number such as +8613800138000 is expected.")
}
