import Cryptography
import Foundation
import JSON
import Postgres

/// Erases people for good, and keeps the proof.
public struct Erasures: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  /// Rows of history that a request goes through itself; the rest is left to the background.
  static let atOnce = 5000
  /// Rows of one background transaction.
  static let chunk = 5000

  /// Erases a person. What identifies them is gone when this returns: nobody finds them any more, their
  /// addresses stay suppressed as hashes, should they be imported again, and what is under way to them
  /// is skipped at its next gate. Texts that may name them and a long history are gone through after
  /// that, if need be in the background; the erasure says when it is done.
  func erase(_ ref: UserRef, by caller: Caller, now: Date) async throws -> Erasure {
    let erasure = try await db.write(timeout: .seconds(60)) { tx in
      // Alone: who has found the person already writes before this, who comes later finds nobody.
      try IdentityLock.holdAlone(in: tx)
      return try Self.begin(UserScope.load(ref, for: caller, now: now, in: tx), caller, now, in: tx)
    }
    // The person is gone, whatever becomes of this: the background goes on where it ended.
    return (try? await advance(erasure.id, limit: Self.atOnce, now: now)) ?? erasure
  }

  /// Takes away what identifies a person.
  private static func begin(
    _ id: UUID, _ caller: Caller, _ now: Date, in tx: Transaction
  ) throws -> Erasure {
    try UserStore.lock([id], in: tx)
    let user = try UserStore.load(id, now: now, in: tx)
    let addresses =
      user.identities.filter { ["phone", "email", "wechat_openid"].contains($0.kind.key) }
      .map { SuppressedAddress(kind: $0.kind.key, value: $0.value) }
      + user.devices.map(SuppressedAddress.init)
    try SuppressionStore.add(addresses, reason: "erased", now: now, in: tx)
    var erasure = Erasure(
      id: UUIDv7.next(now: now), user: id, userIDs: try ErasureStore.ids(of: id, in: tx),
      state: .running, requestedBy: caller.principal, requestedAt: now, tables: [:],
      suppressed: addresses.count)
    for (table, count) in try ErasureStore.forget(erasure.userIDs, now: now, in: tx) {
      let isDeleted = table != "queue"
      erasure.add(isDeleted ? .init(deleted: count) : .init(anonymised: count), to: table)
    }
    erasure.add(.init(anonymised: 1), to: "users")
    try ErasureStore.insert(erasure, naming: user.identities.map(ErasedName.init), in: tx)
    try AuditStore.append(
      AuditEntry(
        "user.erased", "user", id.text, after: erasure.auditJSON, by: caller, at: now), in: tx)
    return erasure
  }

  /// Goes on with what is under way, for about so long: other chores wait.
  func advance(for time: Duration, now: Date) async throws {
    let end = ContinuousClock.now + time
    while ContinuousClock.now < end, try await advance(now: now) {}
  }

  /// A chunk of the oldest erasure under way; false when there is none.
  func advance(now: Date) async throws -> Bool {
    try await advance(nil, limit: Self.chunk, now: now) != nil
  }

  /// Of this erasure, else of the oldest; nil when it is over or somebody else works on it.
  private func advance(_ id: UUID?, limit: Int, now: Date) async throws -> Erasure? {
    try await db.pool.write(timeout: .seconds(60)) { tx in
      guard let claimed = try ErasureStore.claim(id, in: tx) else { return nil }
      var erasure = claimed.erasure
      if let names = claimed.names {
        let answers = try ErasureStore.forgetAnswers(to: erasure.userIDs, names, in: tx)
        erasure.add(.init(anonymised: answers), to: "idempotency_keys")
        let traces = names.map(\.trace)
        let violations = try ViolationStore.forget(naming: traces, in: tx)
        erasure.add(.init(deleted: violations), to: "violations")
        let letters = try DeadLetterStore.forget(naming: traces, in: tx)
        erasure.add(.init(deleted: letters), to: "source_dead_letters")
      }
      try Self.continue(&erasure, limit: limit, now: now, in: tx)
      try ErasureStore.save(erasure, in: tx)
      if erasure.state == .completed {
        try AuditStore.append(
          AuditEntry(
            "erasure.completed", "user", erasure.user.text, after: erasure.auditJSON, by: .herald,
            at: now), in: tx)
      }
      return erasure
    }
  }

  func list(
    _ page: PageRequest, state: String?, for caller: Caller
  ) async throws -> Page<Erasure> {
    try Self.refuseScoped(caller)
    let rows = try await db.read { try ErasureStore.list(page, state: state, in: $0) }
    return Page(rows, page) { [$0.id.text] }
  }

  /// With what a look into the tables finds now.
  func verify(
    _ id: UUID, for caller: Caller
  ) async throws -> (erasure: Erasure, residue: [String: Int]) {
    try Self.refuseScoped(caller)
    return try await db.snapshot { tx in
      let erasure = try ErasureStore.load(id, in: tx)
      return (erasure, try ErasureStore.residue(of: erasure.userIDs, in: tx))
    }
  }

  /// Goes through the tables in order, up to `limit` rows; complete when nothing was left to do.
  private static func `continue`(
    _ erasure: inout Erasure, limit: Int, now: Date, in tx: Transaction
  ) throws {
    var left = limit
    for (place, step) in ErasureStore.anonymised.enumerated() {
      guard left > 0 else { return }
      let done = try ErasureStore.anonymise(place, of: erasure.userIDs, limit: left, in: tx)
      erasure.add(.init(anonymised: done), to: step.table)
      left -= done
    }
    if left > 0 { erasure.complete(now: now) }
  }

  private static func refuseScoped(_ caller: Caller) throws {
    try caller.mustSeeEverybody("; whose an erasure was cannot be told.")
  }
}

extension Erasure {
  fileprivate var auditJSON: JSONValue {
    [
      "erasure": .id(id), "state": .string(state.rawValue),
      "digest": .optional(digest.map { "sha256:\(Hex.encode($0))" }),
    ]
  }
}
