import Foundation
import JSON

/// What a body would become.
struct SourceTest: Sendable {
  let body: JSONValue
  let headers: JSONObject
  /// To be tried in the place of the source's own.
  let mapping: SourceMapping?
}

extension Sources {
  /// Stores nothing and asks the database for nothing but the source: whether an event is a duplicate, or
  /// its user known, only shows when it comes.
  func test(_ key: String, _ test: SourceTest, now: Date) async throws -> JSONValue {
    let source = try await db.read { try SourceStore.load(key, in: $0).source }
    let mapping = test.mapping ?? source.mapping
    switch try Self.content(test.body.bytes, mapping, test.headers) {
    case .unreadable(_, let fault): return ["items": [], "faults": [fault.json]]
    case .items(let items):
      let mapped = items.prefix(1000).map { item in
        mapping.map(item, deliveryID: nil, now: now).json(item, now: now)
      }
      return ["items": .array(mapped), "faults": []]
    }
  }
}

extension SourceTest {
  init?(_ reader: ObjectReader) {
    let before = reader.faults.count
    let body = reader.value("body", required: true)
    var headers = JSONObject()
    if let given = reader.object("headers") {
      for (name, _) in given.object {
        if let value = given.string(name, maxLength: 8192) {
          headers[name.lowercased()] = .string(value)
        }
      }
    }
    let mapping = reader.object("mapping").flatMap { SourceMapping($0) }
    reader.finish()
    guard let body, reader.faults.count == before else { return nil }
    self.init(body: body, headers: headers, mapping: mapping)
  }
}

extension MappedItem {
  fileprivate func json(_ item: ForeignItem, now: Date) -> JSONValue {
    var outcome = "ignored"
    var identities = JSONObject()
    var event: JSONValue = .null
    var attributes = JSONObject()
    var found: [JSONValue] = []
    switch self {
    case .ignored: break
    case .faulty(let faults):
      outcome = "dead_letter"
      found = faults.map(\.json)
    case .event(let mapped):
      outcome = "accepted"
      attributes = mapped.attributes.json
      for identity in mapped.identities { identities[identity.kind.key] = .string(identity.value) }
      event = mapped.event?.json(now: now) ?? .null
    }
    return [
      "index": .int(item.index), "outcome": .string(outcome), "identities": .object(identities),
      "event": event, "attributes": .object(attributes), "faults": .array(found),
    ]
  }
}

extension NewEvent {
  fileprivate func json(now: Date) -> JSONValue {
    [
      "name": .string(name), "timestamp": .instant(timestamp ?? now),
      "message_id": .optional(messageID),
      "properties": (try? JSONScanner.parse(properties)) ?? [:],
    ]
  }
}
