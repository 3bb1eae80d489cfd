/// One cell of a result as it came over the wire. The bytes live as long as the `decode` call.
public struct SQLValue {
  public let type: SQLType
  /// `nil` is NULL.
  public let bytes: UnsafeRawBufferPointer?

  /// The bytes, or a decoding error for NULL.
  public func present<T>(as type: T.Type) throws(PostgresError) -> UnsafeRawBufferPointer {
    guard let bytes else {
      throw PostgresError(kind: .decoding, message: "NULL where \(T.self) was expected")
    }
    return bytes
  }

  public func mismatch<T>(_ wanted: T.Type) -> PostgresError {
    PostgresError(kind: .decoding, message: "\(type) cannot be read as \(T.self)")
  }
}

/// Reads big-endian integers and slices, never past the end.
struct ByteReader {
  private let buffer: UnsafeRawBufferPointer
  private var offset = 0

  static let malformed = PostgresError(kind: .decoding, message: "malformed value")

  init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

  var remaining: Int { buffer.count - offset }

  mutating func integer<I: FixedWidthInteger>(_ type: I.Type) throws(PostgresError) -> I {
    let size = MemoryLayout<I>.size
    guard remaining >= size else { throw Self.malformed }
    defer { offset += size }
    return I(bigEndian: buffer.loadUnaligned(fromByteOffset: offset, as: I.self))
  }

  mutating func bytes(_ count: Int) throws(PostgresError) -> UnsafeRawBufferPointer {
    guard count >= 0, remaining >= count else { throw Self.malformed }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + count])
  }
}
