import Foundation

/// `timestamptz`: microseconds since 2000-01-01 UTC. A `Date` resolves microseconds for some centuries
/// around now and less beyond; what is read back is the nearest it can hold.
extension Date: SQLBindable, SQLDecodable {
  public static var sqlType: SQLType { .timestamptz }

  /// From PostgreSQL's epoch (2000-01-01) to Foundation's (2001-01-01).
  private static let epochOffset: Int64 = 366 * 86_400 * 1_000_000
  /// What PostgreSQL's calendar holds: 4713 BC up to the year 294277.
  private static let range: Range<Int64> = -211_813_488_000_000_000..<9_223_371_331_200_000_000

  public var sqlParameter: SQLParameter {
    let scaled = (timeIntervalSinceReferenceDate * 1_000_000).rounded()
    guard let microseconds = Int64(exactly: scaled) else {
      return .invalid("instant is beyond PostgreSQL's calendar", type: .timestamptz)
    }
    let (sum, overflow) = microseconds.addingReportingOverflow(Self.epochOffset)
    guard !overflow, Self.range.contains(sum) else {
      return .invalid("instant is beyond PostgreSQL's calendar", type: .timestamptz)
    }
    return .word(sum, type: .timestamptz)
  }

  /// `infinity` and `-infinity` are decoding errors: no `Date` means them.
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Date {
    guard value.type == .timestamptz else { throw value.mismatch(Self.self) }
    var reader = ByteReader(try value.present(as: Self.self))
    let microseconds = try reader.integer(Int64.self)
    guard Self.range.contains(microseconds) else {
      throw PostgresError(kind: .decoding, message: "an infinite instant is not a Date")
    }
    let sinceReference = Double(microseconds - Self.epochOffset)
    return Date(timeIntervalSinceReferenceDate: sinceReference / 1_000_000)
  }
}
