/// JSON text on its way to or from `jsonb`. PostgreSQL checks that it is JSON; this type does not.
public struct JSONB: Hashable, Sendable {
  /// UTF-8.
  public var bytes: [UInt8]

  public init(bytes: [UInt8]) { self.bytes = bytes }
  public init(text: String) { bytes = Array(text.utf8) }

  public var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension JSONB: SQLBindable, SQLDecodable {
  public static var sqlType: SQLType { .jsonb }
  public var sqlParameter: SQLParameter { SQLParameter(type: .jsonb, payload: .jsonb(bytes)) }

  /// From `jsonb` (whose binary form starts with a version byte) and from `json`.
  public static func decode(_ value: SQLValue) throws(PostgresError) -> JSONB {
    let bytes = try value.present(as: Self.self)
    switch value.type {
    case .json: return JSONB(bytes: [UInt8](bytes))
    case .jsonb:
      guard bytes.first == 1 else { throw ByteReader.malformed }
      return JSONB(bytes: [UInt8](bytes.dropFirst()))
    default: throw value.mismatch(Self.self)
    }
  }
}
