/// Where the rows of a `COPY … FROM STDIN` are written; sends in chunks of about 64 KiB.
///
/// Use one of the three forms throughout: raw bytes, text rows (the default format), or tuples
/// (`WITH (FORMAT binary)`; the fastest, and the types must match the columns exactly).
public struct CopyWriter {
  private static let chunk = 64 * 1024

  private let send: ([UInt8]) throws(PostgresError) -> Void
  private var buffer: [UInt8] = []
  /// The COPY was declared `FORMAT binary`.
  private let isBinary: Bool
  private var hasHeader = false
  private var hasRawBytes = false

  init(isBinary: Bool, send: @escaping ([UInt8]) throws(PostgresError) -> Void) {
    self.send = send
    self.isBinary = isBinary
    buffer.reserveCapacity(Self.chunk + 4096)
  }

  /// Passes bytes on as they are.
  public mutating func write(_ bytes: some Sequence<UInt8>) throws(PostgresError) {
    hasRawBytes = true
    buffer.append(contentsOf: bytes)
    try sendIfFull()
  }

  /// Writes a row of the text format; `nil` is NULL. Escapes what the format reserves.
  public mutating func row(_ fields: [String?]) throws(PostgresError) {
    guard !isBinary else {
      throw PostgresError(kind: .encoding, message: "text rows need COPY's text format")
    }
    for (index, field) in fields.enumerated() {
      if index > 0 { buffer.append(UInt8(ascii: "\t")) }
      guard let field else {
        buffer.append(contentsOf: "\\N".utf8)
        continue
      }
      for byte in field.utf8 { try appendEscaped(byte) }
    }
    buffer.append(UInt8(ascii: "\n"))
    try sendIfFull()
  }

  /// Writes a row of the binary format.
  public mutating func tuple(_ values: [SQLParameter]) throws(PostgresError) {
    guard isBinary else {
      throw PostgresError(kind: .encoding, message: "tuples need COPY … WITH (FORMAT binary)")
    }
    appendHeader()
    guard let count = Int16(exactly: values.count) else {
      throw PostgresError(kind: .encoding, message: "a row of \(values.count) columns")
    }
    buffer.append(bigEndian: count)
    for value in values { try buffer.appendField(value) }
    try sendIfFull()
  }

  mutating func finish() throws(PostgresError) {
    if isBinary, !hasRawBytes {
      appendHeader()
      buffer.append(bigEndian: Int16(-1))
    }
    if !buffer.isEmpty { try send(buffer) }
    buffer.removeAll()
  }

  private mutating func appendHeader() {
    guard !hasHeader else { return }
    hasHeader = true
    buffer.append(contentsOf: [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0])
    buffer.append(contentsOf: [UInt8](repeating: 0, count: 8))
  }

  private mutating func appendEscaped(_ byte: UInt8) throws(PostgresError) {
    switch byte {
    case 0: throw PostgresError(kind: .encoding, message: "text contains a NUL character")
    case UInt8(ascii: "\\"): buffer.append(contentsOf: "\\\\".utf8)
    case UInt8(ascii: "\t"): buffer.append(contentsOf: "\\t".utf8)
    case UInt8(ascii: "\n"): buffer.append(contentsOf: "\\n".utf8)
    case UInt8(ascii: "\r"): buffer.append(contentsOf: "\\r".utf8)
    default: buffer.append(byte)
    }
  }

  private mutating func sendIfFull() throws(PostgresError) {
    guard buffer.count >= Self.chunk else { return }
    try send(buffer)
    buffer.removeAll(keepingCapacity: true)
  }
}
