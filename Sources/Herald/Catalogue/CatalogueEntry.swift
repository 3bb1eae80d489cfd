import Foundation
import JSON

/// An event as the catalogue knows it, seen or declared.
struct CatalogueEvent: Sendable {
  let name: String
  let count: Int
  let flagged: Int
  let firstSeen: Date?
  let lastSeen: Date?
  let schema: EventSchema?
  let version: Int
}

/// A property of an event, or an attribute of users.
struct CatalogueField: Sendable {
  let name: String
  let types: [String: Int]
  let count: Int
  let firstSeen: Date?
  let lastSeen: Date?
  /// From events or users as they are now; none of personal fields.
  var samples: [JSONValue] = []

  var isPersonal: Bool { UserMask.isPersonal(name) }

  static let sampleLimit = 5
  /// Rows that samples are looked for in.
  static let sampleRows = 200

  /// Adds a value that is short and no address of anybody, once.
  mutating func sample(_ value: JSONValue) {
    guard !isPersonal, samples.count < Self.sampleLimit, !samples.contains(value) else { return }
    switch value {
    case .string(let text):
      if text.utf8.count <= 100, !UserMask.isAddress(text) { samples.append(value) }
    case .number(let number):
      if !UserMask.isAddress(number.text) { samples.append(value) }
    case .bool: samples.append(value)
    case .null, .array, .object: break
    }
  }
}
