import Foundation
import JSON

/// The tracking API of Segment and RudderStack: their clients work unchanged.
public struct Tracking: Sendable {
  let events: Events
  let violations: Violations
  let limits: TrackingLimits

  public init(events: Events, violations: Violations, limits: TrackingLimits = TrackingLimits()) {
    self.events = events
    self.violations = violations
    self.limits = limits
  }

  /// Stores what is good of a body of one message of `kind`, or, with nil, of a batch; notes the
  /// rest as violations. Everything is durable when it returns. Throws 400 only for a body that is
  /// none at all, and what is worth sending again.
  func accept(
    _ bytes: [UInt8], _ kind: TrackingKind?, by caller: Caller, now: Date
  ) async throws {
    guard bytes.count <= limits.batchBytes else {
      throw HeraldError(
        .batchTooLarge,
        "A request may have at most \(limits.batchBytes) bytes; send fewer messages at once.")
    }
    let body = try TrackingBody(bytes, isBatch: kind == nil)
    var reading = TrackingReading(body: body, kind: kind, limits: limits, caller: caller, now: now)
    for index in body.messages.indices { try reading.read(index) }
    // Message ids are unique to whoever sends them.
    let source = "tracking/\(caller.principal)"
    let receipt = try await events.submit(
      reading.events.map {
        IncomingEvent($0, source: source, receivedAt: now, by: caller.principal)
      },
      bytes: bytes.count, by: caller, now: now)
    for rejection in receipt.rejected { reading.reject(rejection) }
    try await violations.record(reading.violations)
  }
}

/// One request's messages as they are read, each by itself.
struct TrackingReading {
  private let body: TrackingBody
  private let mapping: TrackingMapping
  private let limits: TrackingLimits
  private let caller: Caller
  private let now: Date
  private(set) var events: [NewEvent] = []
  private(set) var violations: [Violation] = []
  private var messageIDs: [Int: String] = [:]

  init(
    body: TrackingBody, kind: TrackingKind?, limits: TrackingLimits, caller: Caller, now: Date
  ) {
    self.body = body
    self.limits = limits
    self.caller = caller
    self.now = now
    mapping = TrackingMapping(body: body, receivedAt: now, kind: kind)
    if body.omitted > 0 {
      let fault = JSONFault(
        .tooLong, at: JSONPointer(tokens: ["batch", String(TrackingLimits.messages)]),
        "\(body.omitted) messages beyond the first \(TrackingLimits.messages) were left out.")
      violations.append(
        Violation(fault, of: body.bytes[...], source: "tracking", by: caller, now: now))
    }
  }

  /// Throws when the message is no JSON, and so the body none.
  mutating func read(_ index: Int) throws(HeraldError) {
    let range = body.messages[index]
    guard range.count <= TrackingLimits.messageCeiling else {
      note(
        JSONFault(
          .tooLong,
          "A message may have \(TrackingLimits.messageCeiling) bytes; this one was left out."
        ), index)
      return
    }
    switch try body.message(at: range) {
    case .failure(let fault): note(fault, index)
    case .success(let message): take(message, index)
    }
  }

  private mutating func take(_ message: TrackingMessage, _ index: Int) {
    let size = body.messages[index].count
    do throws(JSONFault) {
      let mapped = try mapping.map(message, index: index)
      events.append(mapped.event)
      messageIDs[index] = message.messageID
      if let fault = mapped.note { note(fault, index, message.messageID, isStored: true) }
      if size > limits.messageBytes {
        let fault = JSONFault(
          "message_large", "A message should have at most \(limits.messageBytes) bytes.")
        note(fault, index, message.messageID, isStored: true)
      }
    } catch {
      note(error, index, message.messageID)
    }
  }

  /// What only the database could tell.
  mutating func reject(_ rejection: EventRejection) {
    var pointer = JSONPointer(rejection.pointer)?.tokens.dropFirst(2).map { $0 } ?? []
    if pointer.first == "attributes" { pointer[0] = "traits" }
    note(
      JSONFault(
        JSONFault.Code(rawValue: rejection.code), at: JSONPointer(tokens: pointer),
        rejection.detail),
      rejection.index, messageIDs[rejection.index])
  }

  private mutating func note(
    _ fault: JSONFault, _ index: Int, _ messageID: String? = nil, isStored: Bool = false
  ) {
    violations.append(
      Violation(
        fault, isStored: isStored, messageID: messageID, of: body.bytes[body.messages[index]],
        source: "tracking", by: caller, now: now))
  }
}
