import Foundation
import Synchronization

/// Time-ordered UUIDs (RFC 9562 section 5.7): new rows land at the end of an index.
///
/// 48 bits of Unix milliseconds, 12 bits of the millisecond's fraction, 62 random bits.
public enum UUIDv7 {
  /// Milliseconds × 4096 of the last id that ``next(now:)`` gave.
  private static let last = Mutex<UInt64>(0)

  /// An id greater than every one that this process made before, also when `now` stands still or goes
  /// back; its time then runs ahead by 1/4096 ms an id.
  public static func next(now: Date = Date()) -> UUID {
    let current = stamp(of: now)
    let unique = last.withLock { last in
      last = max(current, last &+ 1)
      return last
    }
    return make(stamp: unique)
  }

  /// So many ids, each greater than the one before, as `next(now:)` gives them one by one.
  public static func next(_ count: Int, now: Date = Date()) -> [UUID] {
    guard count > 0 else { return [] }
    let current = stamp(of: now)
    let first = last.withLock { last in
      let first = max(current, last &+ 1)
      last = first &+ UInt64(count - 1)
      return first
    }
    let random = randomBytes(8 * count)
    return (0..<count).map { place in
      make(stamp: first &+ UInt64(place), random: random[(8 * place)..<(8 * place + 8)])
    }
  }

  /// An id of exactly that instant; ids of the same 1/4096 ms have no order among them.
  public static func at(_ instant: Date) -> UUID {
    make(stamp: stamp(of: instant))
  }

  /// When the id was made, to the millisecond; nil unless it is of version 7.
  public static func instant(of id: UUID) -> Date? {
    let bytes = id.uuid
    guard bytes.6 >> 4 == 7 else { return nil }
    let head = [bytes.0, bytes.1, bytes.2, bytes.3, bytes.4, bytes.5]
    let milliseconds = head.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Date(timeIntervalSince1970: Double(milliseconds) / 1000)
  }

  /// Instants before 1970 count as 1970, those after 10889 as 10889: the field has no room for them.
  private static func stamp(of instant: Date) -> UInt64 {
    let units = (instant.timeIntervalSince1970 * 1000 * 4096).rounded(.down)
    guard units > 0 else { return 0 }
    return min(UInt64(exactly: units) ?? .max, 1 << 60 - 1)
  }

  private static func make(stamp: UInt64) -> UUID {
    make(stamp: stamp, random: randomBytes(8)[...])
  }

  /// `random`: eight bytes.
  private static func make(stamp: UInt64, random: ArraySlice<UInt8>) -> UUID {
    let at = random.startIndex
    let time = stamp >> 12
    func byte(_ shift: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: time >> shift) }
    return UUID(
      uuid: (
        byte(40), byte(32), byte(24), byte(16), byte(8), byte(0),
        0x70 | UInt8(truncatingIfNeeded: stamp >> 8 & 0x0F), UInt8(truncatingIfNeeded: stamp),
        0x80 | random[at + 0] & 0x3F, random[at + 1], random[at + 2], random[at + 3],
        random[at + 4], random[at + 5], random[at + 6], random[at + 7]
      ))
  }
}
