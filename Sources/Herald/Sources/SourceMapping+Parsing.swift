import JSON

extension SourceMapping {
  /// The `mapping` of a source's document.
  init?(_ reader: ObjectReader) {
    self.init()
    let before = reader.faults.count
    items = reader.jsonPointer("items")
    when = Self.tests(reader)
    identities = Self.members("user", reader)
    name = Self.value("event", reader)
    timestamp = Self.value("timestamp", reader)
    messageID = Self.value("message_id", reader)
    properties = Self.properties(reader)
    attributes = Self.changes(reader)
    reader.finish()
    if !reader.has("user") || (identities.isEmpty && reader.faults.count == before) {
      reader.add(.required, "user", "At least one identity is needed to know the user by.")
    }
    for member in identities where IdentityKind.named(member.name) == nil {
      let known = IdentityForm.standard.kinds.map(\.key).joined(separator: ", ")
      reader.faults.add(
        .unknownField, at: member.value.field,
        "There is no such kind of identity; there are \(known).")
    }
    for member in attributes where !AttributeName.isValid(member.name) {
      reader.faults.add(.invalidFormat, at: member.value.field, AttributeName.expectation)
    }
    if !reader.has("event"), attributes.isEmpty {
      reader.add(.required, "event", "An event's name is needed, or attributes to change.")
    }
    guard reader.faults.count == before else { return nil }
  }

  private static func value(_ key: String, _ reader: ObjectReader) -> MappedValue? {
    guard let json = reader.value(key) else { return nil }
    return MappedValue(json, at: reader.pointer.appending(key), reader.faults)
  }

  private static func tests(_ reader: ObjectReader) -> [MappingTest] {
    guard let json = reader.value("when") else { return [] }
    let place = reader.pointer.appending("when")
    guard let elements = json.arrayValue else {
      return [MappingTest(json, at: place, reader.faults)].compactMap(\.self)
    }
    if elements.count > 20 { reader.add(.tooLong, "when", "At most 20 tests are taken.") }
    return elements.prefix(20).enumerated().compactMap {
      MappingTest($1, at: place.appending($0), reader.faults)
    }
  }

  private static func members(_ key: String, _ reader: ObjectReader) -> [Member] {
    guard let object = reader.object(key) else { return [] }
    if object.object.count > 200 { reader.add(.tooLong, key, "At most 200 members are taken.") }
    return object.object.prefix(200).compactMap { name, json in
      MappedValue(json, at: object.pointer.appending(name), reader.faults)
        .map { Member(name: name, value: $0) }
    }
  }

  /// A value sets the attribute; an object of one member `$…` does what that says with its value.
  private static func changes(_ reader: ObjectReader) -> [Change] {
    guard let object = reader.object("attributes") else { return [] }
    if object.object.count > 200 {
      reader.add(.tooLong, "attributes", "At most 200 members are taken.")
    }
    return object.object.prefix(200).compactMap { name, json in
      let place = object.pointer.appending(name)
      guard let member = json.objectValue?.members.first, json.objectValue?.count == 1,
        member.key.hasPrefix("$")
      else {
        return MappedValue(json, at: place, reader.faults).map { Change(name: name, value: $0) }
      }
      guard AttributeOperation.names.contains(member.key) else {
        reader.faults.add(
          .invalidChoice, at: place.appending(member.key),
          "This is no operation; use one of "
            + "\(AttributeOperation.names.joined(separator: ", ")).")
        return nil
      }
      return MappedValue(member.value, at: place.appending(member.key), reader.faults)
        .map { Change(name: name, operation: member.key, value: $0) }
    }
  }

  private static func properties(_ reader: ObjectReader) -> Properties {
    guard case .string(let text)? = reader.value("properties") else {
      return .members(members("properties", reader))
    }
    let field = reader.pointer.appending("properties")
    guard let pointer = JSONPointer(text) else {
      reader.add(.invalidFormat, "properties", MappedValue.pointerExpectation)
      return .members([])
    }
    return .whole(pointer, field: field)
  }
}
