import Templates
import Testing

private func many(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

@Suite("SMS length")
struct SMSLengthTests {
  @Test(
    "encoding, units and parts",
    arguments: [
      ("", "GSM-7", 0, 0), (many("a", 160), "GSM-7", 160, 1), (many("a", 161), "GSM-7", 161, 2),
      (many("a", 306), "GSM-7", 306, 2), (many("a", 307), "GSM-7", 307, 3),
      (many("€", 80), "GSM-7", 160, 1), (many("€", 81), "GSM-7", 162, 2),
      (many("a", 152) + "€" + many("a", 8), "GSM-7", 162, 2),
      // Two parts by division; three, since each € moves on whole.
      (many("a", 152) + "€" + many("a", 150) + "€", "GSM-7", 306, 3),
      ("[Herald] {code} ~ | ^ \\", "GSM-7", 31, 1), ("Café à Genève", "GSM-7", 13, 1),
      ("Cafe\u{301}", "GSM-7", 4, 1), ("GARÇON", "GSM-7", 6, 1), ("garçon", "UCS-2", 6, 1),
      ("Crème brûlée", "UCS-2", 12, 1), ("It’s", "UCS-2", 4, 1), ("a`b", "UCS-2", 3, 1),
      ("a\u{A0}b", "UCS-2", 3, 1), ("a\tb", "UCS-2", 3, 1), ("ΔΦΓΛΩΠΨΣΘΞ", "GSM-7", 10, 1),
      ("αβγ", "UCS-2", 3, 1), (many("你", 70), "UCS-2", 70, 1), (many("你", 71), "UCS-2", 71, 2),
      (many("你", 134), "UCS-2", 134, 2), (many("你", 135), "UCS-2", 135, 3),
      (many("👋", 35), "UCS-2", 70, 1), (many("👋", 36), "UCS-2", 72, 2),
      (many("你", 66) + "👋" + many("你", 3), "UCS-2", 71, 2),
      ("👨‍👩‍👧‍👦", "UCS-2", 11, 1), ("🇬🇧", "UCS-2", 4, 1), ("a\r\nb", "GSM-7", 4, 1),
    ])
  func lengths(text: String, encoding: String, units: Int, parts: Int) {
    let length = SMSLength(text)
    #expect(length.encoding.rawValue == encoding)
    #expect(length.units == units)
    #expect(length.parts == parts)
  }

  @Test("typographic marks become their cheap likenesses")
  func simplified() {
    let text = "It’s “so” – or — so…\u{A0}ok"
    #expect(SMSLength.simplified(text) == "It's \"so\" - or - so... ok")
    #expect(SMSLength(SMSLength.simplified(text)).encoding == .gsm7)
  }
}
