import Foundation

/// What a text costs as SMS: its encoding, its length in that encoding, and the parts it is sent in
/// (3GPP TS 23.038 and 23.040).
///
/// One character outside GSM-7 turns the whole message into UCS-2. A single message holds 160
/// septets or 70 units; the parts of a longer one hold 153 or 67, and neither an escaped character
/// nor a surrogate pair is split between two. The text is counted in Unicode form C; send
/// `SMSLength.normalised` for the count to be true.
public struct SMSLength: Sendable, Equatable {
  public enum Encoding: String, Sendable { case gsm7 = "GSM-7", ucs2 = "UCS-2" }

  public let encoding: Encoding
  /// Septets, or UTF-16 units.
  public let units: Int
  /// 0 for the empty text.
  public let parts: Int

  public init(_ text: String) {
    let scalars = Self.normalised(text).unicodeScalars
    let septets = scalars.map { Self.septets[$0] }
    let costs: [Int]
    if septets.contains(nil) {
      encoding = .ucs2
      costs = scalars.map { UTF16.width($0) }
    } else {
      encoding = .gsm7
      costs = septets.compactMap(\.self)
    }
    units = costs.reduce(0, +)
    let (single, part) = encoding == .gsm7 ? (160, 153) : (70, 67)
    parts = units == 0 ? 0 : units <= single ? 1 : Self.split(costs, into: part)
  }

  /// Unicode form C: `e` with a combining accent is in no SMS alphabet, `é` is.
  public static func normalised(_ text: String) -> String {
    text.precomposedStringWithCanonicalMapping
  }

  /// Typographic quotes, dashes, the ellipsis and the no-break space as their GSM-7 likenesses, so
  /// that they do not double the price of a message.
  public static func simplified(_ text: String) -> String {
    var out = ""
    for scalar in normalised(text).unicodeScalars {
      switch scalar {
      case "\u{2018}", "\u{2019}": out += "'"
      case "\u{201C}", "\u{201D}": out += "\""
      case "\u{2013}", "\u{2014}": out += "-"
      case "\u{2026}": out += "..."
      case "\u{00A0}": out += " "
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  private static func split(_ costs: [Int], into capacity: Int) -> Int {
    var parts = 1
    var used = 0
    for cost in costs {
      if used + cost > capacity {
        parts += 1
        used = 0
      }
      used += cost
    }
    return parts
  }

  /// Septets of each character of the default alphabet and its extension table.
  private static let septets: [Unicode.Scalar: Int] = {
    let basic =
      "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
      + "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
    var table: [Unicode.Scalar: Int] = [:]
    for scalar in basic.unicodeScalars { table[scalar] = 1 }
    for scalar in "\u{0C}^{}\\[~]|€".unicodeScalars { table[scalar] = 2 }
    return table
  }()
}
