import Cryptography
import Foundation
import JSON
import Postgres

/// An event as somebody sent it, checked in form.
public struct NewEvent: Sendable {
  public enum Subject: Sendable {
    /// Must exist.
    case id(UUID)
    /// Not empty; an unknown user is made.
    case identities([Identity])
  }

  /// Its place in the request or file, for answers.
  public let index: Int
  public let messageID: String?
  public let user: Subject
  /// Another name that the sender says the user had.
  public let former: FormerName?
  public let name: String
  /// The client's; nil for the time of receipt.
  public let timestamp: Date?
  /// The time that the client's own clock gave, where `timestamp` is corrected by the time of
  /// receipt: the same each time the event is sent.
  public let originalTimestamp: Date?
  /// A JSON object, as it came.
  public let properties: [UInt8]
  /// A JSON object: what the sender said of the event's circumstances.
  public let context: [UInt8]?
  /// What the event changes of its user, once: its identities are ignored.
  public let change: UserChange?

  public init(
    index: Int, messageID: String?, user: Subject, former: FormerName? = nil, name: String,
    timestamp: Date?, originalTimestamp: Date? = nil, properties: [UInt8],
    context: [UInt8]? = nil, change: UserChange? = nil
  ) {
    self.index = index
    self.messageID = messageID
    self.user = user
    self.former = former
    self.name = name
    self.timestamp = timestamp
    self.originalTimestamp = originalTimestamp
    self.properties = properties
    self.context = context
    self.change = change
  }
}

extension NewEvent {
  /// Clocks may be wrong, but not by everything.
  static func accepts(_ timestamp: Date, now: Date) -> Bool {
    timestamp.timeIntervalSince1970 >= 0 && timestamp <= now.addingTimeInterval(86_400)
  }

  static let timestampFault = JSONFault(
    .outOfRange, at: JSONPointer(tokens: ["timestamp"]),
    "The time of an event lies between 1970 and a day from now.")
}

/// What became of one event.
public enum EventOutcome: Sendable, Equatable {
  case accepted
  /// Seen before, and stored then.
  case duplicate
  case rejected(code: String, field: String, detail: String)

  /// The fault points into the attributes.
  static func refused(_ fault: JSONFault) -> EventOutcome {
    .rejected(
      code: fault.code.rawValue, field: "attributes\(fault.pointer)", detail: fault.detail)
  }
}

/// An event on its way into the database.
public struct IncomingEvent: Sendable {
  public let event: NewEvent
  /// Whose message ids these are: the same id under another source is another message.
  public let source: String
  public let receivedAt: Date
  /// Who sent it.
  public let principal: String

  public init(
    _ event: NewEvent, source: String, receivedAt: Date, by principal: String = "herald"
  ) {
    self.principal = principal
    self.event = event
    self.source = source
    self.receivedAt = receivedAt
  }

  /// What the API and imports call their source: a file that repeats what was sent adds nothing.
  public static let apiSource = "api"

  public var timestamp: Date { event.timestamp ?? receivedAt }

  /// By which the message is known again: the first 16 bytes of SHA-256(source ‖ 0 ‖ message_id).
  /// Without a message_id the content stands in when the client gave the time, which counts as it
  /// was given; an event without either is new each time it comes.
  public var key: UUID? {
    var hash = SHA256()
    hash.update(source.utf8)
    hash.update(0)
    if let messageID = event.messageID {
      hash.update(messageID.utf8)
      return UUID(prefixOf: hash.finalize())
    }
    guard let timestamp = event.originalTimestamp ?? event.timestamp else { return nil }
    hash.update(0)
    switch event.user {
    case .id(let id): hash.update(id.text.utf8)
    case .identities(let identities):
      for identity in identities.sorted() {
        hash.update(identity.kind.key.utf8)
        hash.update(0)
        hash.update(identity.value.utf8)
        hash.update(0)
      }
    }
    hash.update(0)
    hash.update(event.name.utf8)
    hash.update(0)
    hash.update(String(timestamp.microsecondsSince1970).utf8)
    hash.update(0)
    hash.update(event.properties)
    if let change = event.change {
      hash.update(0)
      hash.update(JSONValue.object(change.attributes.json).bytes)
    }
    return UUID(prefixOf: hash.finalize())
  }
}

extension UUID {
  /// The first 16 of at least 16 bytes.
  init?(prefixOf bytes: [UInt8]) {
    guard bytes.count >= 16 else { return nil }
    self.init(
      uuid: (
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8],
        bytes[9], bytes[10], bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]
      ))
  }
}

/// An event that was stored in the transaction at hand.
public struct StoredEvent: Sendable {
  public let id: UUID
  public let user: UUID
  /// The user it came in on, where that was merged into `user`.
  public var origin: UUID?
  public let name: String
  public let timestamp: Date
  public let receivedAt: Date
  /// A JSON object.
  public let properties: [UInt8]
  /// A JSON object, from senders that give one.
  public let context: [UInt8]?
}

/// Something that has to happen in the transaction that stores events: triggers, live segments.
public protocol EventObserver: Sendable {
  /// `isLive` is false for imported history, which fires nothing. What it throws undoes the batch.
  func observe(_ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction) throws
}
