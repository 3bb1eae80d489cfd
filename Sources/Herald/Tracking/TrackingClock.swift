import Foundation
import JSON

/// The times of the tracking protocol: clients' clocks are wrong, but by the same for the event and
/// for the sending of it.
enum TrackingClock {
  /// When it happened by our clock: `received − (sent − original)`, never later than `received`.
  /// Without `sent` the client's clock is believed. Nil when that is before 1970.
  static func corrected(original: Date, sent: Date?, received: Date) -> Date? {
    let skew = sent.map { received.timeIntervalSince($0) } ?? 0
    let corrected = min(original.addingTimeInterval(skew), received)
    return corrected.timeIntervalSince1970 >= 0 ? corrected : nil
  }

  /// RFC 3339, and what clients send beside it: no offset (UTC is meant), an offset without its
  /// colon, a day alone, a blank for the T.
  static func instant(_ text: String) -> Date? {
    if let date = Date(rfc3339: text) { return date }
    var bytes = Array(text.utf8)
    guard 10...40 ~= bytes.count else { return nil }
    if bytes.count == 10 { return Date(rfc3339: text + "T00:00:00Z") }
    if bytes[10] == 0x20 { bytes[10] = UInt8(ascii: "T") }
    let signs = [UInt8(ascii: "+"), UInt8(ascii: "-")]
    let zone = bytes[11...].firstIndex { signs.contains($0) }
    switch zone {
    case nil where bytes.last != UInt8(ascii: "Z"): bytes.append(UInt8(ascii: "Z"))
    case let zone? where bytes.count - zone == 5:
      bytes.insert(UInt8(ascii: ":"), at: zone + 3)
    default: break
    }
    return Date(rfc3339: String(decoding: bytes, as: UTF8.self))
  }
}
