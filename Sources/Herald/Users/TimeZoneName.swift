import Foundation
import Synchronization

/// Names of the IANA time zone database, which Foundation and PostgreSQL both know.
enum TimeZoneName {
  private static let areas: Set<String> = [
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Brazil",
    "Canada", "Chile", "Etc", "Europe", "Indian", "Mexico", "Pacific", "US",
  ]
  private static let known = Mutex<Set<String>>(["UTC"])

  /// Abbreviations and offsets ("EST", "GMT+8") are no zones: their meaning depends on who reads.
  static func isValid(_ name: String) -> Bool {
    if known.withLock({ $0.contains(name) }) { return true }
    guard name.utf8.count <= 64,
      let area = name.split(separator: "/", maxSplits: 1).first, areas.contains(String(area)),
      name.utf8.allSatisfy(isNameByte), TimeZone(identifier: name) != nil
    else { return false }
    known.withLock { _ = $0.insert(name) }
    return true
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "_"),
      UInt8(ascii: "-"), UInt8(ascii: "+"):
      true
    default: false
    }
  }
}
