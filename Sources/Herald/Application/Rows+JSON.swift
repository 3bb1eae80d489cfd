import Foundation
import JSON
import Postgres

extension JSONB {
  public init(_ value: JSONValue) { self.init(bytes: value.bytes) }
}

extension Row {
  /// What PostgreSQL wrote: it may nest deeper than input may, and prints 1e300 with all its zeros.
  private static let limits = JSONLimits(
    depth: 200, members: 1_000_000, digits: 1000, exponent: 1000)

  /// A `jsonb` column.
  public func json(_ column: String) throws -> JSONValue {
    try JSONScanner.parse(get(column, as: JSONB.self).bytes, limits: Self.limits)
  }

  public func optionalJSON(_ column: String) throws -> JSONValue? {
    guard let stored = try get(column, as: JSONB?.self) else { return nil }
    return try JSONScanner.parse(stored.bytes, limits: Self.limits)
  }
}

extension Rows {
  /// The ids in the first column.
  func ids() throws -> Set<UUID> { Set(try map { try $0.get(0, as: UUID.self) }) }
}

extension JSONValue {
  /// RFC 3339 in UTC.
  public static func instant(_ date: Date) -> JSONValue { .string(date.rfc3339) }
  public static func instant(_ date: Date?) -> JSONValue {
    date.map { .string($0.rfc3339) } ?? .null
  }
  public static func id(_ id: UUID) -> JSONValue { .string(id.text) }
}

extension UUID {
  /// Lower case, as PostgreSQL writes it.
  public var text: String { uuidString.lowercased() }
}
