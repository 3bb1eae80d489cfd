import JSON

/// One message of a client, its fields as they came. Ranges are of the request's bytes.
struct TrackingMessage {
  var type: String?
  var messageID: String?
  var userID: String?
  var anonymousID: String?
  var previousID: String?
  var groupID: String?
  var event: String?
  var name: String?
  var category: String?
  /// The client's clock.
  var timestamp: String?
  var originalTimestamp: String?
  var sentAt: String?
  var properties: Range<Int>?
  var traits: Range<Int>?
  var context: Range<Int>?
  /// What the protocol has no use for here, kept with the event.
  var others: [(key: String, value: Range<Int>)] = []
  /// The first thing that keeps it from being stored.
  private(set) var fault: JSONFault?

  /// Reads an object. Throws for what is no JSON, or such as Herald does not take.
  init(_ cursor: inout JSONCursor) throws(JSONFault) {
    guard try cursor.peek() == .object else {
      _ = try cursor.skipValue()
      fault = JSONFault(.typeMismatch, "A message is an object.")
      return
    }
    try cursor.openObject()
    while let key = try cursor.nextKey() {
      do throws(JSONFault) { try read(key, &cursor) } catch {
        throw error.inside(JSONPointer(tokens: [key]))
      }
    }
  }

  private mutating func read(_ key: String, _ cursor: inout JSONCursor) throws(JSONFault) {
    switch key {
    case "type": type = try text(key, &cursor)
    case "messageId": messageID = try text(key, &cursor)
    case "userId": userID = try text(key, &cursor)
    case "anonymousId": anonymousID = try text(key, &cursor)
    case "previousId": previousID = try text(key, &cursor)
    case "groupId": groupID = try text(key, &cursor)
    case "event": event = try text(key, &cursor)
    case "name": name = try text(key, &cursor)
    case "category": category = try text(key, &cursor)
    case "timestamp": timestamp = try text(key, &cursor)
    case "originalTimestamp": originalTimestamp = try text(key, &cursor)
    case "sentAt": sentAt = try text(key, &cursor)
    case "properties": properties = try object(key, &cursor)
    case "traits": traits = try object(key, &cursor)
    case "context": context = try object(key, &cursor)
    // Never stored: it is a secret.
    case "writeKey": _ = try cursor.skipValue()
    default:
      let kind = try cursor.peek()
      let value = try cursor.skipValue()
      if kind != .null { others.append((key, value)) }
    }
  }

  /// Clients send absent fields as null, and hand-written ones ids as numbers.
  private mutating func text(
    _ key: String, _ cursor: inout JSONCursor
  ) throws(JSONFault) -> String? {
    switch try cursor.peek() {
    case .string:
      let text = try cursor.string()
      return text.isEmpty ? nil : text
    case .number: return try cursor.number().text
    case .null: _ = try cursor.skipValue()
    case .bool, .array, .object:
      _ = try cursor.skipValue()
      note(.typeMismatch, key, "'\(key)' must be a string.")
    }
    return nil
  }

  private mutating func object(
    _ key: String, _ cursor: inout JSONCursor
  ) throws(JSONFault) -> Range<Int>? {
    let kind = try cursor.peek()
    let range = try cursor.skipValue()
    if kind == .object { return range }
    if kind != .null { note(.typeMismatch, key, "'\(key)' must be an object.") }
    return nil
  }

  private mutating func note(_ code: JSONFault.Code, _ key: String, _ detail: String) {
    if fault == nil { fault = JSONFault(code, at: JSONPointer(tokens: [key]), detail) }
  }
}
