import Foundation
import JSON

/// How the things of another system become events and attributes of users.
struct SourceMapping: Sendable, Equatable {
  struct Member: Sendable, Equatable {
    let name: String
    let value: MappedValue
  }

  /// What is done to an attribute, with the value that is found.
  struct Change: Sendable, Equatable {
    let name: String
    /// `$increment` and its like; nil sets.
    var operation: String?
    let value: MappedValue
  }

  enum Properties: Sendable, Equatable {
    /// The object at a place of the item.
    case whole(JSONPointer, field: JSONPointer)
    case members([Member])
  }

  /// Where in a webhook's body the items lie; nil when the body is one.
  var items: JSONPointer?
  /// All must hold.
  var when: [MappingTest] = []
  /// By kinds of identities.
  var identities: [Member] = []
  /// Nil when items only change attributes.
  var name: MappedValue?
  var timestamp: MappedValue?
  var messageID: MappedValue?
  var properties = Properties.members([])
  var attributes: [Change] = []
}

/// What an item becomes.
enum MappedItem: Sendable {
  /// Not meant by `when`.
  case ignored
  case event(MappedEvent)
  /// Never empty.
  case faulty([MappingFault])
}

struct MappedEvent: Sendable {
  /// Not empty.
  let identities: [Identity]
  /// Nil when only attributes change.
  let event: NewEvent?
  let messageID: String?
  let attributes: AttributeChanges
}

extension SourceMapping {
  /// Of a webhook's request; a pull counts them per page.
  static let itemLimit = 10_000

  /// The items of a body. A body that has none where they should be is itself the fault.
  static func split(
    _ body: JSONValue, at pointer: JSONPointer?, field: JSONPointer, headers: JSONObject
  ) throws(MappingFault) -> [ForeignItem] {
    guard let pointer else { return [ForeignItem(body, headers: headers)] }
    guard let found = body[pointer], let elements = found.arrayValue else {
      throw MappingFault(
        .typeMismatch, field, at: pointer, "An array of items is expected at this place.")
    }
    return elements.enumerated().map { index, element in
      ForeignItem(element, at: pointer.appending(index), headers: headers, index: index)
    }
  }

  /// `deliveryID`: of the request, for items without a message_id of their own.
  func map(_ item: ForeignItem, deliveryID: String?, now: Date) -> MappedItem {
    guard when.allSatisfy({ $0.holds(for: item) }) else { return .ignored }
    var faults: [MappingFault] = []
    var found: [Identity] = []
    for member in identities {
      let identity = noting(&faults) { () throws(MappingFault) -> Identity? in
        try Self.identity(member, item)
      }
      if let identity { found.append(identity) }
    }
    let eventName = noting(&faults) { () throws(MappingFault) -> String? in
      try self.eventName(item)
    }
    let instant = noting(&faults) { () throws(MappingFault) -> Date? in
      try self.instant(item, now: now)
    }
    let ownID = noting(&faults) { () throws(MappingFault) -> String? in
      try messageID?.limited(256, item)
    }
    let id = ownID ?? deliveryID.map { items == nil ? $0 : "\($0)#\(item.index)" }
    let bytes = noting(&faults) { () throws(MappingFault) -> [UInt8]? in
      try propertyBytes(item)
    }
    let changes = attributeValues(item, &faults)
    if found.isEmpty, faults.isEmpty { faults = [nobody(item)] }
    guard faults.isEmpty else { return .faulty(faults) }
    let event = eventName.map { name in
      NewEvent(
        index: item.index, messageID: id, user: .identities(found), name: name,
        timestamp: instant, properties: bytes ?? Array("{}".utf8), change: UserChange(changes))
    }
    return .event(
      MappedEvent(identities: found, event: event, messageID: id, attributes: changes))
  }

  private func noting<T>(
    _ faults: inout [MappingFault], _ body: () throws(MappingFault) -> T?
  ) -> T? {
    do throws(MappingFault) { return try body() } catch {
      faults.append(error)
      return nil
    }
  }

  private func attributeValues(
    _ item: ForeignItem, _ faults: inout [MappingFault]
  ) -> AttributeChanges {
    var changes = AttributeChanges()
    for change in attributes {
      let operation = noting(&faults) { () throws(MappingFault) -> AttributeOperation? in
        try Self.operation(change, item)
      }
      if let operation { changes.append(operation, to: change.name) }
    }
    return changes
  }

  /// Nil for what is absent: it changes nothing.
  private static func operation(
    _ change: Change, _ item: ForeignItem
  ) throws(MappingFault) -> AttributeOperation? {
    guard let value = try change.value.value(in: item) else { return nil }
    guard let name = change.operation else { return value.isNull ? .unset : .set(value) }
    // Whether to unset at all may be what the item says.
    if name == "$unset", value == .bool(false) { return nil }
    do throws(JSONFault) {
      return try AttributeOperation(.object([name: value]))
    } catch {
      throw change.value.fault(error.code, item, error.detail)
    }
  }

  private func nobody(_ item: ForeignItem) -> MappingFault {
    let place = identities.first?.value
    return MappingFault(
      .required, JSONPointer(tokens: ["mapping", "user"]),
      at: place?.place(in: item) ?? item.pointer,
      "The item names nobody: none of the identities of the mapping is there.")
  }

  private static func identity(
    _ member: Member, _ item: ForeignItem
  ) throws(MappingFault) -> Identity? {
    guard let text = try member.value.text(in: item) else { return nil }
    do throws(IdentityFault) {
      return try IdentityForm.standard.identity(member.name, text)
    } catch {
      throw member.value.fault(.invalidFormat, item, error.detail)
    }
  }

  private func eventName(_ item: ForeignItem) throws(MappingFault) -> String? {
    guard let name else { return nil }
    guard let text = try name.limited(128, item) else {
      throw name.fault(.required, item, "The name of the event is not there.")
    }
    return text
  }

  private func instant(_ item: ForeignItem, now: Date) throws(MappingFault) -> Date? {
    guard let timestamp, let instant = try timestamp.instant(in: item) else { return nil }
    guard NewEvent.accepts(instant, now: now) else {
      throw timestamp.fault(.outOfRange, item, NewEvent.timestampFault.detail)
    }
    return instant
  }

  private func propertyBytes(_ item: ForeignItem) throws(MappingFault) -> [UInt8] {
    var field = JSONPointer(tokens: ["mapping", "properties"])
    var object = JSONObject()
    switch properties {
    case .whole(let pointer, let place):
      field = place
      let value = item.value[pointer] ?? .null
      guard let found = value.objectValue else {
        throw MappingFault(
          .typeMismatch, field, at: item.pointer.appending(pointer),
          "An object of properties is expected here, not \(value.article).")
      }
      object = found
    case .members(let members):
      for member in members {
        if let value = try member.value.value(in: item) { object[member.name] = value }
      }
    }
    let bytes = JSONValue.object(object).bytes
    guard bytes.count <= EventParser.propertyBytes else {
      throw MappingFault(
        .tooLong, field, at: item.pointer,
        "Properties have at most \(EventParser.propertyBytes) bytes.")
    }
    return bytes
  }
}

extension UserChange {
  /// Nil for none.
  init?(_ attributes: AttributeChanges) {
    guard !attributes.isEmpty else { return nil }
    self.init()
    self.attributes = attributes
  }
}

extension MappedValue {
  /// A text of at most so many characters and without control characters.
  fileprivate func limited(_ length: Int, _ item: ForeignItem) throws(MappingFault) -> String? {
    guard let text = try text(in: item) else { return nil }
    guard text.unicodeScalars.count <= length else {
      throw fault(.tooLong, item, "At most \(length) characters are allowed here.")
    }
    guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
    else { throw fault(.invalidFormat, item, "This may not contain control characters.") }
    return text
  }
}
