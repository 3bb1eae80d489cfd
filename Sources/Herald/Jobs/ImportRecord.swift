import Foundation
import JSON

/// One record of an upload, in the terms of what is imported.
enum ImportRecord {
  case user(UserChange)
  case event(NewEvent)
  case member(UserRef)
}

/// Turns records into what they say. Faults point at the column, or into the JSON of the line.
struct ImportReader {
  let kind: Job.Kind
  let now: Date

  // MARK: NDJSON

  func read(line bytes: [UInt8]) -> Result<ImportRecord, JSONFault> {
    do throws(JSONFault) {
      switch kind {
      case .events: return try event(bytes)
      case .users: return try user(JSONScanner.parse(bytes))
      case .segment: return try member(JSONScanner.parse(bytes))
      }
    } catch {
      return .failure(error)
    }
  }

  private func event(_ bytes: [UInt8]) throws(JSONFault) -> Result<ImportRecord, JSONFault> {
    switch try EventParser.parse(line: bytes, now: now) {
    case .success(let event): .success(.event(event))
    case .failure(let fault): .failure(fault)
    }
  }

  private func user(_ value: JSONValue) -> Result<ImportRecord, JSONFault> {
    let faults = Faults()
    guard let reader = ObjectReader(value, faults: faults) else { return .failure(faults.all[0]) }
    let change = UserChange(upsert: reader, faults)
    reader.finish()
    if let fault = faults.all.first { return .failure(fault) }
    return change.map { .success(.user($0)) } ?? .failure(Self.empty)
  }

  private func member(_ value: JSONValue) -> Result<ImportRecord, JSONFault> {
    if case .string(let text) = value { return member(text, at: .root) }
    if let text = value["user"]?.stringValue {
      return member(text, at: JSONPointer(tokens: ["user"]))
    }
    let faults = Faults()
    let identities = ObjectReader(value, faults: faults)?.identities() ?? []
    if let fault = faults.all.first { return .failure(fault) }
    return identities.first.map { .success(.member(.identity($0))) } ?? .failure(Self.empty)
  }

  private func member(
    _ text: String, at pointer: JSONPointer
  ) -> Result<ImportRecord, JSONFault> {
    do throws(IdentityFault) {
      return .success(.member(try UserRef(text: text)))
    } catch {
      return .failure(JSONFault(.invalidFormat, at: pointer, error.detail))
    }
  }

  // MARK: CSV

  /// `header`: the columns' names, for pointers. Empty cells say nothing.
  func read(
    _ cells: [[UInt8]], _ columns: [ImportColumn], header: [String]
  ) -> Result<ImportRecord, JSONFault> {
    guard cells.count == columns.count else {
      return .failure(
        JSONFault(
          .invalidFormat, "The row has \(cells.count) cells; the header has \(columns.count)."))
    }
    var draft = ImportDraft()
    for (index, cell) in cells.enumerated() where columns[index] != .ignored {
      let pointer = JSONPointer(tokens: [header[index]])
      guard let text = String(validating: cell, as: UTF8.self), !cell.contains(0) else {
        return .failure(JSONFault(.invalidText, at: pointer, "This is not UTF-8 text."))
      }
      if text.isEmpty { continue }
      do throws(IdentityFault) {
        try draft.add(text, to: columns[index])
      } catch {
        return .failure(JSONFault(.invalidFormat, at: pointer, error.detail))
      }
    }
    return draft.record(kind, now: now)
  }

  static let empty = JSONFault(.required, "The record does not say whose it is.")
}

extension UserChange {
  fileprivate static var ofCells: UserChange {
    var change = UserChange()
    change.isOfCells = true
    return change
  }
}

/// The cells of a row as they come by.
private struct ImportDraft {
  private var change = UserChange.ofCells
  private var user: UserRef?
  private var name: String?
  private var timestamp: Date?
  private var messageID: String?
  private var properties = JSONObject()

  mutating func add(_ text: String, to column: ImportColumn) throws(IdentityFault) {
    switch column {
    case .identity(let kind):
      change.identities.append(try IdentityForm.standard.identity(kind, text))
    case .user: user = try UserRef(text: IdentityForm.trim(text))
    case .attribute(let name): change.attributes.set(name, ImportColumn.value(text))
    case .tag(let key): change.tags.append((key, .cell(text)))
    case .consent(let subscription):
      guard let state = ConsentState(rawValue: text) else {
        throw IdentityFault(detail: "One of granted, denied, unknown is expected here.")
      }
      change.consents.append((subscription, state))
    case .timeZone:
      guard TimeZoneName.isValid(text) else {
        throw IdentityFault(
          detail: "A zone of the IANA database is expected, such as Asia/Shanghai.")
      }
      change.timeZone = .set(text)
    case .locale:
      guard let tag = LanguageTag.canonical(text) else {
        throw IdentityFault(detail: "A language tag of BCP 47 is expected, such as zh-CN.")
      }
      change.locale = .set(tag)
    case .eventName: name = try Self.bounded(text, 128)
    case .messageID: messageID = try Self.bounded(text, 256)
    case .timestamp:
      guard let instant = Date(rfc3339: text) else {
        throw IdentityFault(
          detail: "An instant with an offset is expected, such as 2026-11-20T10:00:00+08:00.")
      }
      timestamp = instant
    case .property(let name): properties[name] = ImportColumn.value(text)
    case .ignored: break
    }
  }

  private static func bounded(_ text: String, _ limit: Int) throws(IdentityFault) -> String {
    guard text.unicodeScalars.count <= limit,
      !text.hasControlCharacter
    else {
      throw IdentityFault(
        detail: "At most \(limit) characters are expected here, and no control characters.")
    }
    return text
  }

  func record(_ kind: Job.Kind, now: Date) -> Result<ImportRecord, JSONFault> {
    switch kind {
    case .users:
      return change.identities.isEmpty
        ? .failure(ImportReader.empty) : .success(.user(change))
    case .segment:
      let ref = user ?? change.identities.byPriority().first.map(UserRef.identity)
      return ref.map { .success(.member($0)) } ?? .failure(ImportReader.empty)
    case .events:
      guard let name else {
        return .failure(
          JSONFault(
            .required, at: JSONPointer(tokens: ["name"]), "The name of the event is missing."))
      }
      if let timestamp, !NewEvent.accepts(timestamp, now: now) {
        return .failure(NewEvent.timestampFault)
      }
      guard let subject else { return .failure(ImportReader.empty) }
      return .success(
        .event(
          NewEvent(
            index: 0, messageID: messageID, user: subject, name: name, timestamp: timestamp,
            properties: JSONValue.object(properties).bytes)))
    }
  }

  private var subject: NewEvent.Subject? {
    switch user {
    case .id(let id)?: return .id(id)
    case .identity(let identity)?: return .identities([identity] + change.identities)
    case nil: return change.identities.isEmpty ? nil : .identities(change.identities)
    }
  }
}
