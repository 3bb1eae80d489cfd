import Foundation

/// A Swift type that a result's cell can be read as.
///
/// A raw-representable type over a decodable one conforms by declaring it; a raw value that the type
/// does not know is a decoding error.
public protocol SQLDecodable {
  static func decode(_ value: SQLValue) throws(PostgresError) -> Self
}

extension SQLDecodable where Self: RawRepresentable, RawValue: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Self {
    guard let known = Self(rawValue: try RawValue.decode(value)) else {
      throw PostgresError(kind: .decoding, message: "not a known \(Self.self)")
    }
    return known
  }
}

extension Optional: SQLDecodable where Wrapped: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Wrapped? {
    value.bytes == nil ? nil : try Wrapped.decode(value)
  }
}

extension Bool: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Bool {
    guard value.type == .bool else { throw value.mismatch(Self.self) }
    var reader = ByteReader(try value.present(as: Self.self))
    return try reader.integer(UInt8.self) != 0
  }
}

extension Int: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Int {
    var reader = ByteReader(try value.present(as: Self.self))
    switch value.type {
    case .int8: return Int(try reader.integer(Int64.self))
    case .int4: return Int(try reader.integer(Int32.self))
    case .int2: return Int(try reader.integer(Int16.self))
    case .objectID: return Int(try reader.integer(UInt32.self))
    default: throw value.mismatch(Self.self)
    }
  }
}

extension Int64: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Int64 {
    Int64(try Int.decode(value))
  }
}

extension Int32: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Int32 {
    guard value.type == .int4 || value.type == .int2 else { throw value.mismatch(Self.self) }
    return Int32(truncatingIfNeeded: try Int.decode(value))
  }
}

extension Int16: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Int16 {
    guard value.type == .int2 else { throw value.mismatch(Self.self) }
    return Int16(truncatingIfNeeded: try Int.decode(value))
  }
}

extension Double: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> Double {
    var reader = ByteReader(try value.present(as: Self.self))
    switch value.type {
    case .float8: return Double(bitPattern: try reader.integer(UInt64.self))
    case .float4: return Double(Float(bitPattern: try reader.integer(UInt32.self)))
    default: throw value.mismatch(Self.self)
    }
  }
}

extension String: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> String {
    switch value.type {
    case .text, .varchar, .bpchar, .name, .char, .unknown: break
    default: throw value.mismatch(Self.self)
    }
    let bytes = try value.present(as: Self.self)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PostgresError(kind: .decoding, message: "text is not UTF-8")
    }
    return text
  }
}

extension UUID: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> UUID {
    guard value.type == .uuid else { throw value.mismatch(Self.self) }
    let bytes = try value.present(as: Self.self)
    guard bytes.count == 16 else { throw ByteReader.malformed }
    return UUID(uuid: bytes.loadUnaligned(as: uuid_t.self))
  }
}
