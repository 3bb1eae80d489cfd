/// Raw bytes; a type of its own because `[UInt8]` would read as an array of numbers.
public struct Bytea: Hashable, Sendable {
  public var bytes: [UInt8]

  public init(_ bytes: [UInt8]) { self.bytes = bytes }
}

extension Bytea: SQLBindable, SQLDecodable {
  public static var sqlType: SQLType { .bytea }
  public var sqlParameter: SQLParameter { SQLParameter(type: .bytea, bytes: bytes) }

  public static func decode(_ value: SQLValue) throws(PostgresError) -> Bytea {
    guard value.type == .bytea else { throw value.mismatch(Self.self) }
    return Bytea([UInt8](try value.present(as: Self.self)))
  }
}
