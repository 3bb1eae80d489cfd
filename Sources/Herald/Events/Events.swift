import Foundation
import Postgres

/// What users did, as it comes in.
public struct Events: Sendable {
  let writer: EventWriter
  let db: Database

  public init(writer: EventWriter) {
    self.writer = writer
    self.db = writer.db
  }

  /// What became of a request's events; everything counted as accepted is durable.
  struct Receipt: Sendable {
    var accepted = 0
    var duplicates = 0
    var rejected: [EventRejection] = []
    /// Accepted without message_id and timestamp: sent again, they would be stored again.
    var unkeyed = 0
  }

  /// The body of `POST /v1/events`.
  func accept(_ body: [UInt8], by caller: Caller, now: Date) async throws -> Receipt {
    let parsed = try EventParser.parse(body, now: now)
    let incoming = parsed.events.map {
      IncomingEvent(
        $0, source: IncomingEvent.apiSource, receivedAt: now, by: caller.principal)
    }
    var receipt = try await submit(incoming, bytes: body.count, by: caller, now: now)
    receipt.rejected = (receipt.rejected + parsed.rejections).sorted { $0.index < $1.index }
    return receipt
  }

  /// Events from any source. Under a user scope only those of users inside are taken, and nobody is
  /// taken out of it or into it.
  func submit(
    _ events: [IncomingEvent], bytes: Int, by caller: Caller, now: Date
  ) async throws -> Receipt {
    var receipt = Receipt()
    if caller.userScope != nil, events.contains(where: \.event.changesUser) {
      receipt.add(
        try await writer.write(events, bytes: bytes, now: now, within: caller), of: events)
      return receipt
    }
    let visible = try await visible(events, to: caller, now: now)
    let taken = zip(events, visible).filter(\.1).map(\.0)
    for (incoming, isVisible) in zip(events, visible) where !isVisible {
      receipt.reject(
        incoming, code: "not_found", field: "user", detail: "There is no such user.")
    }
    receipt.add(try await writer.write(taken, bytes: bytes, now: now), of: taken)
    return receipt
  }

  private func visible(
    _ events: [IncomingEvent], to caller: Caller, now: Date
  ) async throws -> [Bool] {
    guard caller.userScope != nil, !events.isEmpty else {
      return events.map { _ in true }
    }
    let refs = events.map { incoming -> UserRef in
      switch incoming.event.user {
      case .id(let id): .id(id)
      case .identities(let identities): .identity(identities.byPriority()[0])
      }
    }
    return try await db.read { db in
      try UserScope.resolve(refs, for: caller, now: now, in: db).map { $0 != nil }
    }
  }
}

extension Events.Receipt {
  fileprivate mutating func add(_ outcomes: [EventOutcome], of events: [IncomingEvent]) {
    for (incoming, outcome) in zip(events, outcomes) {
      switch outcome {
      case .accepted:
        accepted += 1
        if incoming.event.messageID == nil, incoming.event.timestamp == nil { unkeyed += 1 }
      case .duplicate: duplicates += 1
      case .rejected(let code, let field, let detail):
        reject(incoming, code: code, field: field, detail: detail)
      }
    }
  }

  fileprivate mutating func reject(
    _ incoming: IncomingEvent, code: String, field: String, detail: String
  ) {
    let place = "/events/\(incoming.event.index)"
    rejected.append(
      EventRejection(
        index: incoming.event.index, code: code,
        pointer: field.isEmpty ? place : "\(place)/\(field)",
        detail: detail))
  }
}
