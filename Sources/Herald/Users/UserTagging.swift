import Foundation
import JSON
import Postgres

/// The tags that a batch of changes sets, held against the catalogue. A tag that nobody declared is
/// declared on the way, in the category `custom`, with the type of its first value.
struct UserTagging {
  private var catalogue: [String: StoredTag] = [:]

  init(_ changes: [UserChange], by caller: Caller, now: Date, in tx: Transaction) throws {
    var first: [String: UserChange.TagValue] = [:]
    for change in changes {
      for (key, value) in change.tags where value != .remove && first[key] == nil {
        first[key] = value
      }
    }
    guard !first.isEmpty else { return }
    catalogue = try TagStore.find(Array(first.keys), in: tx)
    // In the order of the keys: two batches that declare the same tags do not wait in a circle.
    for (key, value) in first.sorted(by: { $0.key < $1.key }) where catalogue[key] == nil {
      guard let type = value.impliedType else { continue }
      catalogue[key] = try Self.declare(key, type, by: caller, now: now, in: tx)
    }
  }

  private static func declare(
    _ key: String, _ type: Tag.Kind, by caller: Caller, now: Date, in tx: Transaction
  ) throws -> StoredTag {
    try TagStore.lock(key, in: tx)
    if let known = try TagStore.find(key, in: tx) { return known }
    let tag = Tag(key: key, name: key, category: .custom, type: type)
    let stored = try TagStore.save(tag, now: now, in: tx)
    try AuditStore.append(
      AuditEntry("tag.put", "tag", key, after: stored.auditJSON, by: caller, at: now), in: tx)
    return stored
  }

  /// The change with its tags' values in the catalogue's types; 422 when one does not fit.
  func checked(_ change: UserChange, at pointer: JSONPointer) throws -> UserChange {
    guard !change.tags.isEmpty else { return change }
    var checked = change
    var faults: [JSONFault] = []
    checked.tags = change.tags.compactMap { key, value in
      if value == .remove { return (key, .remove) }
      let place = pointer.appending(key)
      guard let tag = catalogue[key]?.tag else {
        faults.append(
          JSONFault(.typeMismatch, at: place, "A tag's value is true, a string or a number."))
        return nil
      }
      switch value.typed(by: tag.type) {
      case .value(let json)?:
        if let fault = tag.fault(of: json, at: place) { faults.append(fault) }
        return (key, .value(json))
      case .remove?: return (key, .remove)
      case .cell?, nil:
        faults.append(
          JSONFault(.typeMismatch, at: place, "Tag '\(key)' takes a \(tag.type.rawValue)."))
        return nil
      }
    }
    guard faults.isEmpty else { throw HeraldError.invalid(faults) }
    return checked
  }

  /// `tags` must be checked.
  func write(
    _ tags: [(user: UUID, tags: [(key: String, value: UserChange.TagValue)])], source: String,
    now: Date, in tx: Transaction
  ) throws {
    var set: [UserTagStore.Assignment] = []
    var removed: [(user: UUID, tag: String)] = []
    for (user, tags) in tags {
      for (key, value) in tags {
        if case .value(let json) = value {
          let expiry = catalogue[key]?.tag.ttl.map { now.addingTimeInterval(Double($0.seconds)) }
          set.append(.init(user: user, tag: key, value: json, expiresAt: expiry))
        } else {
          removed.append((user, key))
        }
      }
    }
    try UserTagStore.assign(set, source: source, now: now, in: tx)
    try UserTagStore.remove(removed, in: tx)
  }
}

extension UserChange.TagValue {
  /// The type of a tag that is declared by this value; nil when it can be none's.
  fileprivate var impliedType: Tag.Kind? {
    switch self {
    case .value(.bool): .flag
    case .value(.number): .number
    case .value(.string): .text
    case .value, .remove: nil
    case .cell(let text):
      if Self.flags[text.lowercased()] != nil {
        .flag
      } else {
        JSONNumber(text) == nil ? .text : .number
      }
    }
  }

  fileprivate func typed(by type: Tag.Kind) -> UserChange.TagValue? {
    guard case .cell(let text) = self else { return self }
    switch type {
    case .flag:
      return (Self.flags[text.lowercased()] ?? (text == "1" ? true : text == "0" ? false : nil))
        .map { $0 ? .value(true) : .remove }
    case .number: return JSONNumber(text).map { .value(.number($0)) }
    case .text, .choice: return .value(.string(text))
    }
  }

  private static let flags = ["true": true, "yes": true, "false": false, "no": false]
}
