import Foundation
import JSON

extension UserChange {
  /// An upsert: at least one identity, and what is known besides.
  init?(upsert reader: ObjectReader, _ faults: Faults) {
    self.init()
    let before = faults.count
    if let identities = reader.object("identities", required: true) {
      self.identities = identities.identities()
      if identities.object.isEmpty {
        reader.add(.required, "identities", "At least one identity is needed to know the user by.")
      }
    }
    readShared(reader)
    if faults.count > before { return nil }
  }

  /// A PATCH: null removes an attribute or tag and empties time_zone and locale.
  init?(patch reader: ObjectReader, _ faults: Faults) {
    self.init()
    let before = faults.count
    identities = reader.object("identities")?.identities() ?? []
    readShared(reader)
    if faults.count > before { return nil }
  }

  private mutating func readShared(_ reader: ObjectReader) {
    if let attributes = reader.value("attributes") {
      self.attributes = AttributeChanges(
        attributes, at: reader.pointer.appending("attributes"), reader.faults)
    }
    timeZone = reader.field("time_zone") { name in
      TimeZoneName.isValid(name)
        ? .success(name)
        : .failure("A zone of the IANA database is expected, such as Asia/Shanghai.")
    }
    locale = reader.field("locale") { tag in
      LanguageTag.canonical(tag).map { .success($0) }
        ?? .failure("A language tag of BCP 47 is expected, such as zh-CN.")
    }
    if let consents = reader.object("consents") { self.consents = consents.consents() }
    if let tags = reader.object("tags") { self.tags = tags.tagValues() }
    if let devices = reader.array("devices", count: 0...50) {
      self.devices = devices.compactMap { Device($0, reader.faults) }
    }
  }
}

enum FieldReading: Sendable {
  case success(String)
  case failure(String)
}

extension ObjectReader {
  /// The members as identities; a kind that allows several takes an array too.
  func identities() -> [Identity] {
    var found: [Identity] = []
    for (kind, value) in object {
      allow(kind)
      let place = pointer.appending(kind)
      switch value {
      case .string(let text): found += [identity(kind, text, at: place)].compactMap { $0 }
      case .array(let values):
        guard IdentityKind.named(kind)?.multiple ?? true, 1...20 ~= values.count else {
          faults.add(.outOfRange, at: place, "A user has only one \(kind), or at most 20 here.")
          continue
        }
        for (index, value) in values.enumerated() {
          guard case .string(let text) = value else {
            faults.add(.typeMismatch, at: place.appending(index), "A string is expected here.")
            continue
          }
          found += [identity(kind, text, at: place.appending(index))].compactMap { $0 }
        }
      default:
        faults.add(
          .typeMismatch, at: place, "An identity is a string, not \(value.article); quote it.")
      }
    }
    return Array(Set(found)).byPriority()
  }

  private func identity(_ kind: String, _ text: String, at place: JSONPointer) -> Identity? {
    do {
      return try IdentityForm.standard.identity(kind, text)
    } catch {
      let isKnown = IdentityKind.named(kind) != nil
      faults.add(isKnown ? .invalidFormat : .unknownField, at: place, error.detail)
      return nil
    }
  }

  /// Null empties the field.
  func field(_ key: String, _ read: (String) -> FieldReading) -> UserChange.Field<String> {
    if isNull(key) {
      allow(key)
      return .clear
    }
    guard let text = string(key, maxLength: 64) else { return .keep }
    switch read(text) {
    case .success(let value): return .set(value)
    case .failure(let detail):
      add(.invalidFormat, key, detail)
      return .keep
    }
  }

  /// By channel, or channel and group: `sms`, `sms:promotions`.
  func consents() -> [(subscription: Subscription, state: ConsentState)] {
    var found: [(subscription: Subscription, state: ConsentState)] = []
    for (key, _) in object {
      guard let subscription = Subscription(key) else { continue }
      if let state = choice(key, ConsentState.self) { found.append((subscription, state)) }
    }
    finish()
    return found
  }

  func tagValues() -> [(key: String, value: UserChange.TagValue)] {
    var found: [(key: String, value: UserChange.TagValue)] = []
    for (key, value) in object {
      allow(key)
      guard TextPattern.key.matches(key) else {
        faults.add(
          .invalidFormat, at: pointer.appending(key), "\(TextPattern.key.expectation) is expected.")
        continue
      }
      found.append((key, value.isNull || value == .bool(false) ? .remove : .value(value)))
    }
    return found
  }
}

/// The names attributes and event properties may have.
enum AttributeName {
  static let expectation = "A name has 1 to 128 characters and no control characters."

  static func isValid(_ name: String) -> Bool {
    1...128 ~= name.unicodeScalars.count
      && !name.hasControlCharacter
  }
}

extension Device {
  init?(_ element: ObjectReader.Element, _ faults: Faults) {
    guard let reader = ObjectReader(element.value, at: element.pointer, faults: faults) else {
      return nil
    }
    let platform = reader.string(
      "platform", required: true, minLength: 1, maxLength: 32, pattern: .key)
    let provider = reader.string(
      "provider", required: true, minLength: 1, maxLength: 64, pattern: .key)
    let token = reader.string("token", required: true, minLength: 1, maxLength: 2048)
    reader.finish()
    guard let platform, let provider, let token else { return nil }
    // Part of a key of the table, which holds no more.
    guard token.utf8.count <= 2048 else {
      reader.add(.tooLong, "token", "A token has at most 2048 bytes.")
      return nil
    }
    self.init(provider: provider, token: token, platform: platform)
  }
}
