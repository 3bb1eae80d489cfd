/// Walks a JSON text in place: reads what the caller wants, validates and skips the rest without
/// building it. The ingestion path keeps an event's properties as the bytes they came in.
///
///     var cursor = JSONCursor(bytes)
///     try cursor.openObject()
///     while let key = try cursor.nextKey() {
///       if key == "properties" { slice = try cursor.skipValue() } else { … }
///     }
///     try cursor.end()
///
/// After each key or element exactly one value must be read or skipped. Everything passed over is
/// checked as strictly as `JSONScanner` does, duplicate keys included (when their object closes).
/// Faults point relative to the value being read; `JSONFault.inside` adds the outer place. After a
/// fault the cursor is of no further use.
public struct JSONCursor: Sendable {
  public let bytes: [UInt8]
  /// The next byte to be read.
  public internal(set) var offset: Int
  public let limits: JSONLimits

  /// The containers entered and not yet closed.
  private var frames: [Frame] = []
  /// The keys seen so far in all open objects, innermost last.
  var keys: [TextSpan] = []
  /// True between an opening bracket and the first key or element.
  private var isFresh = false

  private struct Frame {
    var isObject: Bool
    var firstKey: Int
  }

  /// A string's bytes between the quotes, as they stand in the text.
  struct TextSpan: Sendable {
    var range: Range<Int>
    var isEscaped: Bool
  }

  public enum Kind: Sendable { case null, bool, number, string, array, object }

  /// Starts at `offset`, which must lie within the bytes.
  public init(_ bytes: [UInt8], from offset: Int = 0, limits: JSONLimits = JSONLimits()) {
    self.bytes = bytes
    self.offset = max(0, min(offset, bytes.count))
    self.limits = limits
  }

  /// What comes next, by its first byte.
  public mutating func peek() throws(JSONFault) -> Kind {
    skipSpace()
    guard offset < bytes.count else {
      throw fault(.invalidJSON, "A value is missing at the end of the text")
    }
    switch bytes[offset] {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    case 0xEF where offset == 0:
      throw fault(.invalidJSON, "A byte order mark or other text stands before the value")
    default: throw fault(.invalidJSON, "This begins no JSON value")
    }
  }

  /// Enters an object; the caller then asks for keys until there are none.
  public mutating func openObject() throws(JSONFault) {
    guard try peek() == .object else {
      throw fault(.typeMismatch, "An object is expected here")
    }
    try open(Frame(isObject: true, firstKey: keys.count))
  }

  /// The next key of the object entered last; nil closes it.
  public mutating func nextKey() throws(JSONFault) -> String? {
    guard let span = try nextKeySpan() else { return nil }
    return text(of: span)
  }

  /// Enters an array; the caller then asks for elements until there are none.
  public mutating func openArray() throws(JSONFault) {
    guard try peek() == .array else {
      throw fault(.typeMismatch, "An array is expected here")
    }
    try open(Frame(isObject: false, firstKey: keys.count))
  }

  /// Whether another element of the array entered last follows; false closes it.
  public mutating func nextElement() throws(JSONFault) -> Bool {
    guard let frame = frames.last, !frame.isObject else {
      throw fault(.invalidJSON, "No array is open here")
    }
    if try separate(closing: UInt8(ascii: "]")) { return true }
    frames.removeLast()
    return false
  }

  /// Checks that nothing but white space is left.
  public mutating func end() throws(JSONFault) {
    skipSpace()
    guard offset == bytes.count else {
      throw fault(.invalidJSON, "Something follows the end of the value")
    }
  }

  mutating func nextKeySpan() throws(JSONFault) -> TextSpan? {
    guard let frame = frames.last, frame.isObject else {
      throw fault(.invalidJSON, "No object is open here")
    }
    guard try separate(closing: UInt8(ascii: "}")) else {
      try refuseDuplicates(from: frame.firstKey)
      keys.removeLast(keys.count - frame.firstKey)
      frames.removeLast()
      return nil
    }
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else {
      throw fault(.invalidJSON, "A key in double quotes is expected here")
    }
    guard keys.count - frame.firstKey < limits.members else {
      throw fault(.tooComplex, "An object may have at most \(limits.members) members")
    }
    let span = try scanString()
    keys.append(span)
    skipSpace()
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: ":") else {
      throw fault(.invalidJSON, "A colon is expected after the key")
    }
    offset += 1
    return span
  }

  private mutating func open(_ frame: Frame) throws(JSONFault) {
    guard frames.count < limits.depth else {
      throw fault(.tooComplex, "Values may be nested at most \(limits.depth) deep")
    }
    frames.append(frame)
    isFresh = true
    offset += 1
  }

  /// Passes the comma between members; true when another follows, false after `closing`.
  private mutating func separate(closing: UInt8) throws(JSONFault) -> Bool {
    skipSpace()
    let wasFresh = isFresh
    isFresh = false
    guard offset < bytes.count else {
      throw fault(.invalidJSON, "The text ends inside an object or array")
    }
    if bytes[offset] == closing {
      offset += 1
      return false
    }
    if wasFresh { return true }
    guard bytes[offset] == UInt8(ascii: ",") else {
      throw fault(.invalidJSON, "A comma or a closing bracket is expected here")
    }
    offset += 1
    skipSpace()
    if offset < bytes.count, bytes[offset] == closing {
      throw fault(.invalidJSON, "A comma stands before the closing bracket")
    }
    return true
  }

  mutating func skipSpace() {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x0A, 0x0D, 0x09: offset += 1
      default: return
      }
    }
  }

  func fault(_ code: JSONFault.Code, _ message: String, at place: Int? = nil) -> JSONFault {
    let place = min(place ?? offset, bytes.count)
    var line = 1
    var lineStart = 0
    for index in 0..<place where bytes[index] == 0x0A {
      line += 1
      lineStart = index + 1
    }
    return JSONFault(
      code, "\(message) (byte \(place), line \(line), column \(place - lineStart + 1)).")
  }
}
