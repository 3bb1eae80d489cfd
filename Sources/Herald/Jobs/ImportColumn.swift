import Foundation
import JSON

/// What the columns of a CSV upload mean, by their header.
enum ImportColumn: Sendable, Equatable {
  case identity(String)
  /// Of any UserRef.
  case user
  case attribute(String)
  case tag(String)
  case consent(Subscription)
  case timeZone, locale
  case eventName, timestamp, messageID
  case property(String)
  case ignored

  /// A cell of the header as text, which what is no UTF-8 is not.
  static func name(_ cell: [UInt8]) throws -> String {
    guard let name = String(validating: cell, as: UTF8.self), !cell.contains(0) else {
      throw HeraldError(
        .invalid, "The header is not UTF-8 text; save the file as UTF-8 and send it again.")
    }
    return name
  }

  /// Throws, with a sentence for the job's `problem`, when the header is not usable.
  static func read(_ header: [String], for kind: Job.Kind) throws -> [ImportColumn] {
    var seen: Set<[UInt8]> = []
    let columns = try header.enumerated().map { index, name in
      let name = IdentityForm.trim(name)
      guard seen.insert(Array(name.utf8)).inserted else {
        throw HeraldError(.invalid, "The column '\(name)' stands in the header twice.")
      }
      guard let column = column(name, for: kind) else {
        throw HeraldError(
          .invalid, "Column \(index + 1), '\(name.prefix(64))', is none of a \(kind.text) import.")
      }
      return column
    }
    try check(columns, for: kind)
    return columns
  }

  private static func check(_ columns: [ImportColumn], for kind: Job.Kind) throws {
    let namesUser = columns.contains { column in
      if case .identity = column { true } else { column == .user }
    }
    guard namesUser else {
      let kinds = IdentityForm.standard.kinds.map(\.key).joined(separator: ", ")
      throw HeraldError(
        .invalid, "A column is needed that says whose each row is; name it by one of: \(kinds).")
    }
    if kind == .events, !columns.contains(.eventName) {
      throw HeraldError(.invalid, "A column 'name' is needed that says what happened.")
    }
  }

  private static func column(_ name: String, for kind: Job.Kind) -> ImportColumn? {
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    let (head, tail) = parts.count == 2 ? (parts[0], parts[1]) : (name, "")
    if tail.isEmpty, IdentityKind.named(name) != nil { return .identity(name) }
    if kind != .users, name == "user" { return .user }
    if head == (kind == .users ? "identities" : "user"), IdentityKind.named(tail) != nil {
      return .identity(tail)
    }
    switch kind {
    case .segment: return .ignored
    case .events:
      switch name {
      case "name": return .eventName
      case "timestamp": return .timestamp
      case "message_id": return .messageID
      default: return head == "properties" && AttributeName.isValid(tail) ? .property(tail) : nil
      }
    case .users: return userColumn(name, head, tail)
    }
  }

  private static func userColumn(_ name: String, _ head: String, _ tail: String) -> ImportColumn? {
    switch (name, head) {
    case ("time_zone", _): return .timeZone
    case ("locale", _): return .locale
    case (_, "attributes") where AttributeName.isValid(tail): return .attribute(tail)
    case (_, "tags") where TextPattern.key.matches(tail): return .tag(tail)
    case (_, "consents"): return Subscription(tail).map(ImportColumn.consent)
    default: return AttributeName.isValid(name) ? .attribute(name) : nil
    }
  }

  /// A cell as a JSON value: plain decimals and true and false are what they look like, all else is
  /// text. Numbers with a leading zero or of more than 15 digits are text: they are codes.
  static func value(_ cell: String) -> JSONValue {
    if cell == "true" { return .bool(true) }
    if cell == "false" { return .bool(false) }
    let bytes = cell.utf8
    let isPlain = bytes.allSatisfy {
      UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: ".")
        || $0 == UInt8(ascii: "-")
    }
    guard isPlain, bytes.count <= 16, let number = JSONNumber(cell) else { return .string(cell) }
    return .number(number)
  }
}
