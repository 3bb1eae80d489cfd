import Foundation

/// One bound value in PostgreSQL's binary format, with its type.
///
/// A value that PostgreSQL cannot hold (a NUL in text, an instant beyond the calendar) is kept as a
/// fault and refused as `.encoding` when the statement is sent.
public struct SQLParameter: Sendable {
  /// Small values stay inline, text is not copied until the statement is sent.
  enum Payload: Sendable {
    case null
    case word(UInt64, width: Int)
    case uuid(UUID)
    case text(String)
    case jsonb([UInt8])
    case bytes([UInt8])
    /// The text-format literal `{}`: an empty array whose element type only PostgreSQL knows.
    case emptyArray
    case invalid(String)
  }

  public let type: SQLType
  let payload: Payload

  init(type: SQLType, payload: Payload) {
    self.type = type
    self.payload = payload
  }

  /// - Parameter bytes: the value as the type's binary receive function expects it; `nil` is NULL.
  public init(type: SQLType, bytes: [UInt8]?) {
    self.type = type
    self.payload = bytes.map { .bytes($0) } ?? .null
  }

  /// A value that cannot be sent; the statement fails as `.encoding` with this reason.
  public static func invalid(_ reason: String, type: SQLType = .unspecified) -> SQLParameter {
    SQLParameter(type: type, payload: .invalid(reason))
  }

  static func word<I: FixedWidthInteger>(_ value: I, type: SQLType) -> SQLParameter {
    let bits = UInt64(truncatingIfNeeded: value)
    return SQLParameter(type: type, payload: .word(bits, width: I.bitWidth / 8))
  }

  var isNull: Bool {
    if case .null = payload { true } else { false }
  }

  var isTextFormat: Bool {
    if case .emptyArray = payload { true } else { false }
  }

  /// Appends the value's bytes; nothing for NULL.
  func append(to buffer: inout [UInt8]) throws(PostgresError) {
    switch payload {
    case .null: break
    case .word(let bits, let width):
      for shift in stride(from: (width - 1) * 8, through: 0, by: -8) {
        buffer.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
      }
    case .uuid(let uuid):
      withUnsafeBytes(of: uuid.uuid) { buffer.append(contentsOf: $0) }
    case .text(let text):
      let start = buffer.count
      buffer.append(contentsOf: text.utf8)
      guard !buffer[start...].contains(0) else {
        throw PostgresError(kind: .encoding, message: "text contains a NUL character")
      }
    case .jsonb(let bytes):
      buffer.append(1)
      buffer.append(contentsOf: bytes)
    case .bytes(let bytes): buffer.append(contentsOf: bytes)
    case .emptyArray: buffer.append(contentsOf: "{}".utf8)
    case .invalid(let reason): throw PostgresError(kind: .encoding, message: reason)
    }
  }
}
