import Foundation

/// IANA zone names. Abbreviations and offsets ("EST", "GMT+8") are none.
enum TimeZones {
  private static let known = Set(TimeZone.knownTimeZoneIdentifiers).union(["UTC", "Etc/UTC"])

  static func isKnown(_ name: String) -> Bool { known.contains(name) }
}
