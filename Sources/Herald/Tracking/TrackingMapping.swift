import Foundation
import JSON

/// Makes Herald's events of a client's messages. What maps to what is written down in
/// Docs/Tracking.md.
struct TrackingMapping {
  let body: TrackingBody
  let receivedAt: Date
  /// That of the path; nil in a batch, where each message has its own.
  let kind: TrackingKind?

  struct Mapped {
    let event: NewEvent
    /// What was odd about it, though it is stored.
    let note: JSONFault?
  }

  func map(_ message: TrackingMessage, index: Int) throws(JSONFault) -> Mapped {
    if let fault = message.fault { throw fault }
    let kind = try kind(of: message)
    let (identities, former) = try identities(of: message, kind)
    let (timestamp, original, note) = time(of: message)
    if let id = message.messageID, id.unicodeScalars.count > 256 || Self.hasControls(id) {
      throw Self.fault(
        .invalidFormat, "messageId", "A messageId has at most 256 characters, none for control.")
    }
    let (change, found) = try change(of: message, kind)
    return Mapped(
      event: NewEvent(
        index: index, messageID: message.messageID,
        user: .identities(Array(Set(identities + found)).byPriority()), former: former,
        name: try name(of: message, kind), timestamp: timestamp, originalTimestamp: original,
        properties: try properties(of: message, kind), context: context(of: message, timestamp),
        change: change), note: note)
  }

  private func kind(of message: TrackingMessage) throws(JSONFault) -> TrackingKind {
    if let kind { return kind }
    guard let type = message.type else {
      throw Self.fault(.required, "type", "A message of a batch needs its 'type'.")
    }
    guard let kind = TrackingKind(rawValue: type) else {
      throw Self.fault(
        .invalidChoice, "type",
        "The type must be one of \(TrackingKind.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    return kind
  }

  private func name(of message: TrackingMessage, _ kind: TrackingKind) throws(JSONFault) -> String {
    guard kind == .track else { return kind.eventName }
    guard let event = message.event else {
      throw Self.fault(.required, "event", "A track call needs the name of its 'event'.")
    }
    guard AttributeName.isValid(event) else {
      throw Self.fault(
        .invalidFormat, "event", "An event's name has 1 to 128 characters, none for control.")
    }
    return event
  }

  // MARK: - Whose

  private func identities(
    of message: TrackingMessage, _ kind: TrackingKind
  ) throws(JSONFault) -> ([Identity], former: FormerName?) {
    let user = try Self.identity("external_id", message.userID, "userId")
    let anonymous = try Self.identity("anonymous_id", message.anonymousID, "anonymousId")
    guard kind == .alias else {
      let known = [user, anonymous].compactMap { $0 }
      guard known.isEmpty else { return (known, nil) }
      throw Self.fault(.required, "userId", "A message needs a userId or an anonymousId.")
    }
    guard let user else {
      throw Self.fault(.required, "userId", "An alias call needs the userId.")
    }
    guard let previous = try Self.identity("anonymous_id", message.previousID, "previousId") else {
      throw Self.fault(.required, "previousId", "An alias call needs the previousId.")
    }
    return ([user], TrackingAlias.former(of: user, previous))
  }

  private static func identity(
    _ kind: String, _ text: String?, _ key: String
  ) throws(JSONFault) -> Identity? {
    guard let text, !IdentityForm.trim(text).isEmpty else { return nil }
    do throws(IdentityFault) {
      return try IdentityForm.standard.identity(kind, text)
    } catch {
      throw fault(.invalidFormat, key, error.detail)
    }
  }

  // MARK: - When

  /// The time by our clock, nil for that of receipt, and by the client's. A clock that cannot be
  /// read is no reason to lose the event.
  private func time(of message: TrackingMessage) -> (Date?, original: Date?, JSONFault?) {
    let key = message.originalTimestamp == nil ? "timestamp" : "originalTimestamp"
    guard let text = message.originalTimestamp ?? message.timestamp else { return (nil, nil, nil) }
    let original = TrackingClock.instant(text)
    let sent = (message.sentAt ?? body.sentAt).flatMap(TrackingClock.instant)
    if let original,
      let corrected = TrackingClock.corrected(
        original: original, sent: sent, received: receivedAt)
    {
      return (corrected, original, nil)
    }
    return (
      nil, original,
      Self.fault(
        .invalidFormat, key,
        "This is no instant since 1970 of ISO 8601; the time of receipt was taken.")
    )
  }

  // MARK: - What

  private func properties(
    of message: TrackingMessage, _ kind: TrackingKind
  ) throws(JSONFault) -> [UInt8] {
    switch kind {
    case .track: return message.properties.map { Array(body.bytes[$0]) } ?? Array("{}".utf8)
    case .page, .screen:
      var properties = try object(message.properties, "properties")
      for (key, value) in [("name", message.name), ("category", message.category)] {
        if let value, properties[key] == nil { properties[key] = .string(value) }
      }
      return JSONValue.object(properties).bytes
    case .identify:
      // The names only: the values are the user's attributes.
      let names = try traits(of: message).keys.map(JSONValue.string)
      return JSONValue.object(["traits": .array(names)]).bytes
    case .alias: return JSONValue.object(["previous_id": .optional(message.previousID)]).bytes
    case .group:
      let traits = try object(message.traits, "traits")
      return JSONValue.object(
        ["group_id": .optional(message.groupID), "traits": .object(traits)]
      ).bytes
    }
  }

  /// RudderStack's clients put them into the context.
  private func traits(of message: TrackingMessage) throws(JSONFault) -> JSONObject {
    if message.traits != nil { return try object(message.traits, "traits") }
    return try object(message.context, "context")["traits"]?.objectValue ?? [:]
  }

  /// What an identify or group says of the user, and the identities among it.
  private func change(
    of message: TrackingMessage, _ kind: TrackingKind
  ) throws(JSONFault) -> (UserChange?, [Identity]) {
    var change = UserChange()
    var found: [Identity] = []
    switch kind {
    case .track, .page, .screen, .alias: return (nil, [])
    case .group:
      guard let id = message.groupID else {
        throw Self.fault(.required, "groupId", "A group call needs the groupId.")
      }
      change.attributes.set("group_id", .string(id))
    case .identify:
      var traits = try traits(of: message)
      found = TrackingTraits.takeIdentities(from: &traits)
      let faults = Faults(limit: 1)
      change.attributes = AttributeChanges(
        .object(traits), at: JSONPointer(tokens: ["traits"]), faults, isLenient: true)
      if let fault = faults.all.first { throw fault }
      let context = try object(message.context, "context")
      if let zone = context["timezone"]?.stringValue, TimeZoneName.isValid(zone) {
        change.timeZone = .set(zone)
      }
      if let locale = context["locale"]?.stringValue.flatMap(LanguageTag.canonical) {
        change.locale = .set(locale)
      }
    }
    return (change.changesRow ? change : nil, found)
  }

  /// A message's object as a value; its bytes were checked before.
  private func object(
    _ range: Range<Int>?, _ key: String
  ) throws(JSONFault) -> JSONObject {
    guard let range else { return [:] }
    do throws(JSONFault) {
      return try JSONScanner.parse(Array(body.bytes[range])).objectValue ?? [:]
    } catch {
      throw error.inside(JSONPointer(tokens: [key]))
    }
  }

  static func fault(_ code: JSONFault.Code, _ key: String, _ detail: String) -> JSONFault {
    JSONFault(code, at: JSONPointer(tokens: [key]), detail)
  }

  private static func hasControls(_ text: String) -> Bool {
    text.unicodeScalars.contains { $0.properties.generalCategory == .control }
  }
}

// MARK: - Under which circumstances

extension TrackingMapping {
  /// The batch's context under the message's own, and beside it what else is kept: `$sent_at` and
  /// `$original_timestamp` as they were sent, where the clock was corrected, and fields of no
  /// meaning here under `$fields`. Of a key that comes twice jsonb keeps the last.
  private func context(of message: TrackingMessage, _ timestamp: Date?) -> [UInt8]? {
    var members: [[UInt8]] = [body.context, message.context].compactMap { range in
      guard let inner = range?.dropFirst().dropLast() else { return nil }
      let bytes = body.bytes[inner]
      return bytes.allSatisfy({ [0x20, 0x0A, 0x0D, 0x09].contains($0) }) ? nil : Array(bytes)
    }
    func add(_ key: String, _ value: [UInt8]) {
      members.append(JSONValue.string(key).bytes + [UInt8(ascii: ":")] + value)
    }
    if let sent = message.sentAt ?? body.sentAt {
      add("$sent_at", JSONValue.string(sent).bytes)
      if let original = message.originalTimestamp ?? message.timestamp, timestamp != nil {
        add("$original_timestamp", JSONValue.string(original).bytes)
      }
    }
    let others = message.others.filter { !Self.saysNothing($0.key, body.bytes[$0.value]) }
    if !others.isEmpty {
      let fields = others.map {
        JSONValue.string($0.key).bytes + [UInt8(ascii: ":")] + body.bytes[$0.value]
      }
      add(
        "$fields",
        [UInt8(ascii: "{")] + fields.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "}")])
    }
    guard !members.isEmpty else { return nil }
    return [UInt8(ascii: "{")] + members.joined(separator: [UInt8(ascii: ",")])
      + [UInt8(ascii: "}")]
  }

  /// The two ways in which the clients say "everywhere" when nobody asked.
  private static func saysNothing(_ key: String, _ value: ArraySlice<UInt8>) -> Bool {
    guard key == "integrations" else { return false }
    let bare = value.filter { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }
    return bare.elementsEqual("{}".utf8) || bare.elementsEqual(#"{"All":true}"#.utf8)
  }
}
