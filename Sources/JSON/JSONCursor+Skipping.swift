extension JSONCursor {
  /// Passes over the next value by its brackets and quotes alone; the range of its bytes. It is not
  /// checked: a cursor of its own must read it (`JSONCursor(bytes, from:)`) and must end where the
  /// range does. What is wrong inside one element of an array need not fail the others.
  public mutating func skipUnchecked() throws(JSONFault) -> Range<Int> {
    let kind = try peek()
    let start = offset
    switch kind {
    case .object, .array: try skipBrackets()
    case .string: try skipQuotes()
    case .null, .bool, .number: skipWord()
    }
    return start..<offset
  }

  private mutating func skipBrackets() throws(JSONFault) {
    var depth = 0
    while offset < bytes.count {
      switch bytes[offset] {
      case UInt8(ascii: "\""):
        try skipQuotes()
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      default: break
      }
      offset += 1
      if depth == 0 { return }
    }
    throw fault(.invalidJSON, "The text ends inside an object or array")
  }

  private mutating func skipQuotes() throws(JSONFault) {
    offset += 1
    while offset < bytes.count {
      switch bytes[offset] {
      case UInt8(ascii: "\""):
        offset += 1
        return
      case UInt8(ascii: "\\"): offset += 2
      default: offset += 1
      }
    }
    offset = bytes.count
    throw fault(.invalidJSON, "The text ends inside a string")
  }

  private mutating func skipWord() {
    while offset < bytes.count {
      switch bytes[offset] {
      case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), 0x20, 0x0A, 0x0D, 0x09: return
      default: offset += 1
      }
    }
  }
}
