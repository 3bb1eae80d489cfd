import Foundation

/// One-dimensional arrays in PostgreSQL's binary format: number of dimensions, null flag, element
/// type, length and lower bound, then each element with its length (-1 for NULL).
extension Array: SQLBindable where Element: SQLBindable {
  public static var sqlType: SQLType { Element.sqlType.array ?? .unspecified }

  public var sqlParameter: SQLParameter {
    var elementType = Element.sqlType
    if elementType == .unspecified, let first { elementType = first.sqlParameter.type }
    if elementType == .unspecified, isEmpty {
      return SQLParameter(type: .unspecified, payload: .emptyArray)
    }
    guard let arrayType = elementType.array else {
      return .invalid("arrays of \(elementType) cannot be bound")
    }
    do throws(PostgresError) {
      let bytes = try encode(elementType: elementType)
      return SQLParameter(type: arrayType, payload: .bytes(bytes))
    } catch {
      return .invalid(error.message, type: arrayType)
    }
  }

  private func encode(elementType: SQLType) throws(PostgresError) -> [UInt8] {
    var buffer: [UInt8] = []
    guard let length = Int32(exactly: count), count < 1 << 27 else {
      throw PostgresError(kind: .encoding, message: "array has too many elements")
    }
    buffer.reserveCapacity(20 + count * 12)
    buffer.append(bigEndian: Int32(isEmpty ? 0 : 1))
    buffer.append(bigEndian: Int32(0))
    buffer.append(bigEndian: elementType.oid)
    if isEmpty { return buffer }
    buffer.append(bigEndian: length)
    buffer.append(bigEndian: Int32(1))
    // What ingestion binds by the thousand, without a parameter for each.
    if let ids = self as? [UUID] {
      for id in ids {
        buffer.append(bigEndian: Int32(16))
        Swift.withUnsafeBytes(of: id.uuid) { buffer.append(contentsOf: $0) }
      }
      return buffer
    }
    if let texts = self as? [String] {
      for var text in texts {
        let isClean = text.withUTF8 { bytes -> Bool in
          buffer.append(bigEndian: Int32(truncatingIfNeeded: bytes.count))
          buffer.append(contentsOf: bytes)
          return bytes.count <= Int32.max && !bytes.contains(0)
        }
        guard isClean else {
          throw PostgresError(
            kind: .encoding, message: "text contains a NUL character or exceeds 2 GB")
        }
      }
      return buffer
    }
    var hasNull = false
    for element in self {
      let parameter = element.sqlParameter
      guard !parameter.isNull else {
        hasNull = true
        buffer.append(bigEndian: Int32(-1))
        continue
      }
      guard parameter.type == elementType else {
        throw PostgresError(kind: .encoding, message: "array elements differ in type")
      }
      try buffer.appendField(parameter)
    }
    if hasNull { buffer[7] = 1 }
    return buffer
  }
}

extension [UInt8] {
  mutating func append<I: FixedWidthInteger>(bigEndian value: I) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }

  /// A length-prefixed value, as arrays and binary COPY hold them.
  mutating func appendField(_ parameter: SQLParameter) throws(PostgresError) {
    guard !parameter.isNull else {
      append(bigEndian: Int32(-1))
      return
    }
    let start = count
    append(bigEndian: Int32(0))
    try parameter.append(to: &self)
    guard let length = Int32(exactly: count - start - 4) else {
      throw PostgresError(kind: .encoding, message: "value exceeds 2 GB")
    }
    let bits = UInt32(bitPattern: length)
    for offset in 0..<4 {
      self[start + offset] = UInt8(truncatingIfNeeded: bits >> UInt32(24 - offset * 8))
    }
  }
}

extension Array: SQLDecodable where Element: SQLDecodable {
  public static func decode(_ value: SQLValue) throws(PostgresError) -> [Element] {
    var reader = ByteReader(try value.present(as: Self.self))
    let dimensions = try reader.integer(Int32.self)
    _ = try reader.integer(Int32.self)
    let elementType = SQLType(oid: try reader.integer(UInt32.self))
    if dimensions == 0 { return [] }
    guard dimensions == 1 else {
      throw PostgresError(kind: .decoding, message: "array has \(dimensions) dimensions, not one")
    }
    let length = try reader.integer(Int32.self)
    _ = try reader.integer(Int32.self)
    // Every element takes four bytes at least, so the length cannot claim more memory than came.
    guard length >= 0, Int(length) <= reader.remaining / 4 else { throw ByteReader.malformed }
    var elements: [Element] = []
    elements.reserveCapacity(Int(length))
    for _ in 0..<length {
      let size = try reader.integer(Int32.self)
      let bytes = size < 0 ? nil : try reader.bytes(Int(size))
      elements.append(try Element.decode(SQLValue(type: elementType, bytes: bytes)))
    }
    return elements
  }
}
