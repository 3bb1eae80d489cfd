import JSON

/// The body of a call: where its messages are, and what holds for all of them. Only what is no JSON,
/// no object, or a `batch` that is no array, fails the whole.
struct TrackingBody {
  let bytes: [UInt8]
  private(set) var messages: [Range<Int>] = []
  /// Messages beyond the limit, left out.
  private(set) var omitted = 0
  private(set) var sentAt: String?
  private(set) var context: Range<Int>?

  /// A body of one message, or with `isBatch` of `{"batch": […]}`.
  init(_ bytes: [UInt8], isBatch: Bool) throws(HeraldError) {
    self.bytes = bytes
    do throws(JSONFault) {
      var cursor = JSONCursor(bytes)
      guard try cursor.peek() == .object else {
        throw JSONFault(.typeMismatch, "The body must be an object.")
      }
      if isBatch { try readBatch(&cursor) } else { messages = [try cursor.skipUnchecked()] }
      try cursor.end()
    } catch {
      throw Self.refusal(error)
    }
  }

  static func refusal(_ fault: JSONFault) -> HeraldError {
    HeraldError(
      .malformedJSON, fault.detail, pointer: fault.pointer.description, faults: [fault])
  }

  private mutating func readBatch(_ cursor: inout JSONCursor) throws(JSONFault) {
    var hasBatch = false
    try cursor.openObject()
    while let key = try cursor.nextKey() {
      switch (key, try cursor.peek()) {
      case ("batch", .array):
        hasBatch = true
        try readMessages(&cursor)
      case ("sentAt", .string): sentAt = try cursor.string()
      case ("context", .object): context = try cursor.skipValue()
      default: _ = try cursor.skipValue()
      }
    }
    guard hasBatch else {
      throw JSONFault(
        .required, at: JSONPointer(tokens: ["batch"]), "'batch' must be an array of messages.")
    }
  }

  private mutating func readMessages(_ cursor: inout JSONCursor) throws(JSONFault) {
    try cursor.openArray()
    while try cursor.nextElement() {
      let range = try cursor.skipUnchecked()
      if messages.count < TrackingLimits.messages {
        messages.append(range)
      } else {
        omitted += 1
      }
    }
  }

  /// The message at a place. A fault other than of JSON's syntax is the message's alone.
  func message(at range: Range<Int>) throws(HeraldError) -> Result<TrackingMessage, JSONFault> {
    do throws(JSONFault) {
      return try JSONCursor(bytes).isolated(range) { cursor throws(JSONFault) in
        try TrackingMessage(&cursor)
      }
    } catch {
      throw Self.refusal(error)
    }
  }

  /// The key that some clients send in the body; nil for anything but such an object.
  static func writeKey(in bytes: [UInt8]) -> String? {
    var cursor = JSONCursor(bytes)
    do throws(JSONFault) {
      guard try cursor.peek() == .object else { return nil }
      try cursor.openObject()
      while let key = try cursor.nextKey() {
        if key == "writeKey", try cursor.peek() == .string { return try cursor.string() }
        _ = try cursor.skipUnchecked()
      }
    } catch {
      return nil
    }
    return nil
  }
}
