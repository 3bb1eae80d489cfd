/// Server-sent events out of the bytes of a stream, however they are cut.
struct EventStream {
  struct Event: Equatable {
    var name = "message"
    var data = ""
  }

  private var line: [UInt8] = []
  private var event = Event()
  private var isEmpty = true
  /// A longer line is no event of Herald's: its rest is dropped.
  private static let longestLine = 1 << 20

  /// The events that these bytes complete.
  mutating func take(_ bytes: UnsafeRawBufferPointer) -> [Event] {
    var events: [Event] = []
    for byte in bytes {
      guard byte == UInt8(ascii: "\n") else {
        if line.count < Self.longestLine { line.append(byte) }
        continue
      }
      if let event = end() { events.append(event) }
      line.removeAll(keepingCapacity: true)
    }
    return events
  }

  /// A whole line; the event it ends.
  private mutating func end() -> Event? {
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    guard !line.isEmpty else {
      defer {
        event = Event()
        isEmpty = true
      }
      return isEmpty ? nil : event
    }
    let text = String(decoding: line, as: UTF8.self)
    let field = text.prefix { $0 != ":" }
    var value = text.dropFirst(field.count + 1)
    if value.first == " " { value = value.dropFirst() }
    switch field {
    case "event": event.name = String(value)
    case "data":
      event.data += (isEmpty ? "" : "\n") + value
      isEmpty = false
    default: break
    }
    return nil
  }
}
