import Foundation
import JSON

/// An item that was not taken, and why.
struct EventRejection: Sendable {
  let index: Int
  let code: String
  let pointer: String
  let detail: String
}

/// Reads `{"events": […]}` in one pass. Properties stay the bytes they came in; an event with a fault
/// is rejected by itself, one that JSON allows and Herald does not too. Only what is no JSON at all,
/// or no such body, fails the whole.
struct EventParser {
  /// Events of one request.
  static let limit = 10_000
  /// Bytes of one event's properties.
  static let propertyBytes = 256 << 10

  private(set) var events: [NewEvent] = []
  private(set) var rejections: [EventRejection] = []
  private var cursor: JSONCursor
  private let now: Date

  private init(_ bytes: [UInt8], now: Date) {
    cursor = JSONCursor(bytes)
    self.now = now
  }

  /// The body of `POST /v1/events`.
  static func parse(_ body: [UInt8], now: Date) throws -> EventParser {
    var parser = EventParser(body, now: now)
    do throws(JSONFault) {
      try parser.readBody()
    } catch {
      throw error.code == .typeMismatch || error.code == .required || error.code == .tooLong
        || error.code == .unknownField
        ? HeraldError.invalid([error])
        : HeraldError(
          .malformedJSON, error.detail, pointer: error.pointer.description, faults: [error])
    }
    return parser
  }

  /// One event by itself, as a line of an import. Throws for what is no JSON.
  static func parse(
    line: [UInt8], now: Date
  ) throws(JSONFault) -> Result<NewEvent, JSONFault> {
    var parser = EventParser(line, now: now)
    let event = try Self.readEvent(0, &parser.cursor, now: now)
    try parser.cursor.end()
    return event
  }

  private mutating func readBody() throws(JSONFault) {
    var hasEvents = false
    try cursor.openObject()
    while let key = try cursor.nextKey() {
      guard key == "events" else {
        throw JSONFault(
          .unknownField, at: JSONPointer(tokens: [key]),
          "'\(key)' is no field of this object, which has 'events' alone.")
      }
      hasEvents = true
      do throws(JSONFault) { try readEvents() } catch {
        throw error.inside(JSONPointer(tokens: [key]))
      }
    }
    try cursor.end()
    guard hasEvents else {
      throw JSONFault(
        .required, at: JSONPointer(tokens: ["events"]), "The field 'events' is required.")
    }
  }

  private mutating func readEvents() throws(JSONFault) {
    try cursor.openArray()
    var index = 0
    while try cursor.nextElement() {
      guard index < Self.limit else {
        throw JSONFault(.tooLong, "At most \(Self.limit) events can be sent at once.")
      }
      let start = cursor
      do throws(JSONFault) {
        switch try Self.readEvent(index, &cursor, now: now) {
        case .success(let event): events.append(event)
        case .failure(let fault): reject(index, fault)
        }
      } catch {
        guard error.code != .invalidJSON else {
          throw error.inside(JSONPointer(tokens: [String(index)]))
        }
        reject(index, error)
        cursor = start
        _ = try cursor.skipUnchecked()
      }
      index += 1
    }
  }

  private static func readEvent(
    _ index: Int, _ cursor: inout JSONCursor, now: Date
  ) throws(JSONFault) -> Result<NewEvent, JSONFault> {
    guard try cursor.peek() == .object else {
      _ = try cursor.skipValue()
      return .failure(JSONFault(.typeMismatch, "An event is an object."))
    }
    var draft = EventDraft()
    try cursor.openObject()
    while let key = try cursor.nextKey() {
      do throws(JSONFault) { try draft.read(key, &cursor) } catch {
        throw error.inside(JSONPointer(tokens: [key]))
      }
    }
    return draft.finished(index, cursor.bytes, now: now)
  }

  private mutating func reject(_ index: Int, _ fault: JSONFault) {
    let pointer = JSONPointer(tokens: ["events", String(index)]).appending(fault.pointer)
    rejections.append(
      EventRejection(
        index: index, code: fault.code.rawValue, pointer: pointer.description,
        detail: fault.detail))
  }
}

/// The fields of an event as they come by; keeps the first fault.
private struct EventDraft {
  private var messageID: String?
  private var user: NewEvent.Subject?
  private var name: String?
  private var timestamp: Date?
  private var properties: Range<Int>?
  private var change: UserChange?
  private var fault: JSONFault?

  mutating func read(_ key: String, _ cursor: inout JSONCursor) throws(JSONFault) {
    switch key {
    case "message_id": messageID = try string(key, 1...256, &cursor)
    case "name": name = try string(key, 1...128, &cursor)
    case "timestamp":
      guard let text = try string(key, 1...64, &cursor) else { return }
      timestamp = Date(rfc3339: text)
      if timestamp == nil {
        note(
          .invalidFormat, key,
          "An instant with an offset is expected here, such as 2026-11-20T10:00:00+08:00.")
      }
    case "properties":
      guard try expect(.object, key, &cursor) else { return }
      let range = try cursor.skipValue()
      properties = range
      if range.count > EventParser.propertyBytes {
        note(.tooLong, key, "Properties have at most \(EventParser.propertyBytes) bytes.")
      }
    case "user": try readUser(&cursor)
    case "attributes":
      let faults = Faults(limit: 1)
      var change = UserChange()
      change.attributes = AttributeChanges(
        try cursor.value(), at: JSONPointer(tokens: [key]), faults)
      if fault == nil { fault = faults.all.first }
      self.change = change
    default:
      _ = try cursor.skipValue()
      note(.unknownField, key, Self.unknown(key))
    }
  }

  private static let fields = [
    "message_id", "name", "timestamp", "properties", "user", "attributes",
  ]

  private static func unknown(_ key: String) -> String {
    // As others call it.
    let isName = ["event", "event_name", "type"].contains(key)
    guard let field = isName ? "name" : EditDistance.nearest(to: key, among: fields) else {
      return "This is no field of an event; what it tells of itself goes into 'properties'."
    }
    return "This is no field of an event; did you mean '\(field)'?"
  }

  private mutating func readUser(_ cursor: inout JSONCursor) throws(JSONFault) {
    if try cursor.peek() == .string {
      let text = try cursor.string()
      do throws(IdentityFault) {
        switch try UserRef(text: text) {
        case .id(let id): user = .id(id)
        case .identity(let identity): user = .identities([identity])
        }
      } catch {
        note(.invalidFormat, "user", error.detail)
      }
      return
    }
    guard try expect(.object, "user", &cursor) else { return }
    var identities: [Identity] = []
    try cursor.openObject()
    while let kind = try cursor.nextKey() {
      guard let text = try Self.identity(kind, &cursor) else {
        note(.typeMismatch, "user", kind, "An identity is a string; quote it.")
        continue
      }
      do throws(IdentityFault) {
        identities.append(try IdentityForm.standard.identity(kind, text))
      } catch {
        note(.invalidFormat, "user", kind, error.detail)
      }
    }
    if identities.isEmpty {
      note(.required, "user", "At least one identity is needed to know the user by.")
    } else {
      user = .identities(identities)
    }
  }

  /// Nil, and skipped, when it is no string.
  private static func identity(
    _ kind: String, _ cursor: inout JSONCursor
  ) throws(JSONFault) -> String? {
    do throws(JSONFault) {
      if try cursor.peek() == .string { return try cursor.string() }
      _ = try cursor.skipValue()
      return nil
    } catch {
      throw error.inside(JSONPointer(tokens: [kind]))
    }
  }

  func finished(_ index: Int, _ bytes: [UInt8], now: Date) -> Result<NewEvent, JSONFault> {
    if let fault { return .failure(fault) }
    func missing(_ key: String) -> Result<NewEvent, JSONFault> {
      .failure(
        JSONFault(
          .required, at: JSONPointer(tokens: [key]), "The field '\(key)' is required."))
    }
    guard let name else { return missing("name") }
    guard let user else { return missing("user") }
    if let timestamp, !NewEvent.accepts(timestamp, now: now) {
      return .failure(NewEvent.timestampFault)
    }
    return .success(
      NewEvent(
        index: index, messageID: messageID, user: user, name: name, timestamp: timestamp,
        properties: properties.map { Array(bytes[$0]) } ?? Array("{}".utf8), change: change))
  }

  private mutating func string(
    _ key: String, _ length: ClosedRange<Int>, _ cursor: inout JSONCursor
  ) throws(JSONFault) -> String? {
    guard try expect(.string, key, &cursor) else { return nil }
    let text = try cursor.string()
    // A character has four bytes at most: longer texts need not be counted, nor short ones.
    guard length.contains(text.utf8.count) || length.contains(text.unicodeScalars.count) else {
      note(
        .outOfRange, key,
        "Between \(length.lowerBound) and \(length.upperBound) characters are expected here.")
      return nil
    }
    guard !text.hasControlCharacter else {
      note(.invalidFormat, key, "This may not contain control characters.")
      return nil
    }
    return text
  }

  /// Skips, and notes, a value of another kind.
  private mutating func expect(
    _ kind: JSONCursor.Kind, _ key: String, _ cursor: inout JSONCursor
  ) throws(JSONFault) -> Bool {
    if try cursor.peek() == kind { return true }
    _ = try cursor.skipValue()
    note(.typeMismatch, key, "'\(key)' must be \(kind == .object ? "an object" : "a string").")
    return false
  }

  private mutating func note(_ code: JSONFault.Code, _ tokens: String..., detail: String) {
    if fault == nil { fault = JSONFault(code, at: JSONPointer(tokens: tokens), detail) }
  }

  private mutating func note(_ code: JSONFault.Code, _ key: String, _ detail: String) {
    note(code, key, detail: detail)
  }

  private mutating func note(
    _ code: JSONFault.Code, _ key: String, _ inner: String, _ detail: String
  ) {
    note(code, key, inner, detail: detail)
  }
}
