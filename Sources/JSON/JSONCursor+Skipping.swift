extension JSONCursor {
  /// Passes over the next value by its brackets and quotes alone; the range of its bytes. It is not
  /// checked: `isolated` must read it. What is wrong inside one element of an array need not fail
  /// the others.
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

  /// Reads the value that `skipUnchecked` passed over. Throws what makes it, and so the whole text,
  /// no JSON; any other fault is the value's alone. Pointers are relative to the value.
  public func isolated<Value>(
    _ range: Range<Int>, _ read: (inout JSONCursor) throws(JSONFault) -> Value
  ) throws(JSONFault) -> Result<Value, JSONFault> {
    var cursor = JSONCursor(bytes, from: range.lowerBound, limits: limits)
    do throws(JSONFault) {
      let value = try read(&cursor)
      guard cursor.offset == range.upperBound else {
        throw JSONFault(.invalidJSON, "A closing bracket does not fit its opening one.")
      }
      return .success(value)
    } catch {
      if error.code == .invalidJSON { throw error }
      return .failure(error)
    }
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
