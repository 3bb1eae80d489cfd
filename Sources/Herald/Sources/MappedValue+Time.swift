import Foundation
import JSON

extension MappedValue {
  /// An instant: RFC 3339; without an offset when the mapping gives a `zone`; Unix seconds or
  /// milliseconds as a number or its text. Nil when absent.
  func instant(in item: ForeignItem) throws(MappingFault) -> Date? {
    guard let text = try text(in: item) else { return nil }
    if let date = Date(rfc3339: text) { return date }
    if let date = Self.unix(text) { return date }
    if let zone, let date = Self.local(text, zone) { return date }
    let hint = zone == nil ? " Name the `zone` of times without an offset." : ""
    throw fault(.invalidFormat, item, "'\(text.prefix(64))' is no instant.\(hint)")
  }

  /// Numbers from 10^11 on are milliseconds: as seconds they would lie beyond the year 5000.
  private static func unix(_ text: String) -> Date? {
    guard let number = JSONNumber(text)?.doubleValue, number.isFinite, number >= 0,
      number < 1e15
    else { return nil }
    return Date(timeIntervalSince1970: number >= 1e11 ? number / 1000 : number)
  }

  /// `2010-12-01 08:26:00`, also with a T, without seconds, or a day alone. A time that the clocks skip
  /// is read as if they had not been changed yet.
  private static func local(_ text: String, _ zone: TimeZone) -> Date? {
    var whole = text.replacing(" ", with: "T", maxReplacements: 1)
    if whole.utf8.count == 10 { whole += "T00:00" }
    if whole.utf8.count == 16 { whole += ":00" }
    guard let clock = Date(rfc3339: whole + "Z") else { return nil }
    let guess = clock.addingTimeInterval(-Double(zone.secondsFromGMT(for: clock)))
    return clock.addingTimeInterval(-Double(zone.secondsFromGMT(for: guess)))
  }
}
