extension JSONCursor {
  /// Reads the next value whole.
  public mutating func value() throws(JSONFault) -> JSONValue {
    switch try peek() {
    case .null:
      try literal("null")
      return .null
    case .bool:
      let isTrue = bytes[offset] == UInt8(ascii: "t")
      try literal(isTrue ? "true" : "false")
      return .bool(isTrue)
    case .number: return .number(try number())
    case .string: return .string(text(of: try scanString()))
    case .array: return .array(try elements())
    case .object: return .object(JSONObject(try members()))
    }
  }

  /// Validates the next value and passes over it; the range of its bytes, without white space.
  public mutating func skipValue() throws(JSONFault) -> Range<Int> {
    let kind = try peek()
    let start = offset
    switch kind {
    case .null: try literal("null")
    case .bool: try literal(bytes[offset] == UInt8(ascii: "t") ? "true" : "false")
    case .number: _ = try scanNumber()
    case .string: _ = try scanString()
    case .array: try skipElements()
    case .object: try skipMembers()
    }
    return start..<offset
  }

  /// Reads a string.
  public mutating func string() throws(JSONFault) -> String {
    guard try peek() == .string else { throw fault(.typeMismatch, "A string is expected here") }
    return text(of: try scanString())
  }

  /// Reads a number.
  public mutating func number() throws(JSONFault) -> JSONNumber {
    guard try peek() == .number else { throw fault(.typeMismatch, "A number is expected here") }
    let range = try scanNumber()
    return JSONNumber(scanned: String(decoding: bytes[range], as: UTF8.self))
  }

  private mutating func elements() throws(JSONFault) -> [JSONValue] {
    try openArray()
    var elements: [JSONValue] = []
    while try nextElement() {
      do throws(JSONFault) { elements.append(try value()) } catch {
        throw error.inside(String(elements.count))
      }
    }
    return elements
  }

  private mutating func members() throws(JSONFault) -> [(key: String, value: JSONValue)] {
    try openObject()
    var members: [(key: String, value: JSONValue)] = []
    while let span = try nextKeySpan() {
      let key = text(of: span)
      do throws(JSONFault) { members.append((key, try value())) } catch {
        throw error.inside(key)
      }
    }
    return members
  }

  private mutating func skipElements() throws(JSONFault) {
    try openArray()
    var index = 0
    while try nextElement() {
      do throws(JSONFault) { _ = try skipValue() } catch { throw error.inside(String(index)) }
      index += 1
    }
  }

  private mutating func skipMembers() throws(JSONFault) {
    try openObject()
    while let span = try nextKeySpan() {
      do throws(JSONFault) { _ = try skipValue() } catch { throw error.inside(text(of: span)) }
    }
  }

  private mutating func literal(_ word: StaticString) throws(JSONFault) {
    let end = offset + word.utf8CodeUnitCount
    guard end <= bytes.count,
      word.withUTF8Buffer({ $0.elementsEqual(bytes[offset..<end]) })
    else { throw fault(.invalidJSON, "Only true, false and null are words of JSON") }
    offset = end
  }

  /// Called when an object closes; its keys are those from index `first` on.
  mutating func refuseDuplicates(from first: Int) throws(JSONFault) {
    let count = keys.count - first
    if count < 2 { return }
    let isEscaped = keys[first...].contains { $0.isEscaped }
    if count <= 16, !isEscaped {
      for later in (first + 1)..<keys.count {
        let range = keys[later].range
        for earlier in first..<later where keys[earlier].range.count == range.count {
          if areEqual(keys[earlier].range, range) { throw duplicate(keys[later]) }
        }
      }
    } else {
      var seen = Set<KeyBytes>(minimumCapacity: count)
      for span in keys[first...]
      where !seen.insert(KeyBytes(bytes: unescaped(span))).inserted {
        throw duplicate(span)
      }
    }
  }

  /// Of ranges of one length.
  private func areEqual(_ first: Range<Int>, _ second: Range<Int>) -> Bool {
    bytes.withUnsafeBufferPointer { buffer in
      for distance in 0..<first.count
      where buffer[first.lowerBound + distance] != buffer[second.lowerBound + distance] {
        return false
      }
      return true
    }
  }

  private func duplicate(_ span: TextSpan) -> JSONFault {
    fault(.duplicateKey, "This key stands in its object twice", at: span.range.lowerBound)
      .inside(text(of: span))
  }
}

/// A key compared and hashed as bytes: Swift's String would take "é" and "e\u{301}" for one.
/// The hash is seeded per process, so nobody can prepare keys that collide.
private struct KeyBytes: Hashable {
  var bytes: ArraySlice<UInt8>

  static func == (left: KeyBytes, right: KeyBytes) -> Bool {
    left.bytes.elementsEqual(right.bytes)
  }

  func hash(into hasher: inout Hasher) {
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}
