import Foundation
import JSON
import Postgres

/// The kill switch: everything, or one channel. A stop that was answered sees no later hand-over
/// begin, in any process.
public struct Stops: Sendable {
  let db: Database

  let wake: Wake

  /// `wake` is called when what was stopped may be due.
  public init(db: Database, wake: Wake = Wake()) {
    self.db = db
    self.wake = wake
  }

  /// What is stopped after a change, and what was handed over before it and is not settled yet.
  struct Standing: Sendable {
    let stopped: [String]
    let inFlight: Int
  }

  struct Stop: Sendable {
    let scope: String
    let by: String
    let reason: String?
    let at: Date
  }

  func list() async throws -> [Stop] {
    try await db.read { db in
      try StopStore.list(in: db).map {
        Stop(scope: $0.scope, by: $0.by, reason: $0.reason, at: $0.at)
      }
    }
  }

  /// Stopping what is stopped changes nothing; who stopped it first stays.
  func stop(
    _ channel: Channel?, reason: String?, by caller: Caller, now: Date
  ) async throws -> Standing {
    try Self.refuseScoped(caller)
    let scope = Self.scope(channel)
    return try await db.write { tx in
      let known = try StopStore.list(in: tx).contains { $0.scope == scope }
      try StopStore.insert(scope, by: caller.principal, reason: reason, now: now, in: tx)
      let standing = try Self.standing(channel, in: tx)
      if !known {
        try AuditStore.append(
          AuditEntry(
            "dispatch.stopped", "dispatch", scope,
            after: ["reason": .optional(reason), "in_flight": .int(standing.inFlight)],
            by: caller, at: now), in: tx)
      }
      return standing
    }
  }

  /// Lifts the one stop named; others stay. What waited becomes due.
  func start(_ channel: Channel?, by caller: Caller, now: Date) async throws -> Standing {
    try Self.refuseScoped(caller)
    let scope = Self.scope(channel)
    let standing = try await db.write { tx in
      if let known = try StopStore.list(in: tx).first(where: { $0.scope == scope }) {
        guard !Restorations.isRestoration(by: known.by, reason: known.reason) else {
          throw HeraldError(
            .wrongState,
            "The database was restored from a backup; whoever has looked at what may go out twice runs `herald resume --after-restore` on the machine."
          )
        }
        try StopStore.delete(scope, in: tx)
        try QueueStore.unparkAll(now: now, in: tx)
        try AuditStore.append(
          AuditEntry(
            "dispatch.started", "dispatch", scope,
            before: ["by": .string(known.by), "reason": .optional(known.reason)], by: caller,
            at: now), in: tx)
      }
      return try Self.standing(channel, in: tx)
    }
    wake.call()
    return standing
  }

  /// The switch is everybody's: a key that sees some users only may not turn it.
  private static func refuseScoped(_ caller: Caller) throws {
    try caller.mustSeeEverybody("; pause a plan, or use another key.")
  }

  private static func scope(_ channel: Channel?) -> String {
    channel.map { "channel:\($0.rawValue)" } ?? "all"
  }

  private static func standing(_ channel: Channel?, in tx: Transaction) throws -> Standing {
    let inFlight =
      try channel.map { try FlightStore.inFlight($0, in: tx) }
      ?? QueueStore.inFlight(plan: nil, in: tx)
    return Standing(stopped: try StopStore.list(in: tx).map(\.scope), inFlight: inFlight)
  }
}
