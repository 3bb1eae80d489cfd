import Foundation
import Logging
import Postgres
import Synchronization

/// Writes events in groups: what arrives while two batches commit forms the next ones, so that a
/// commit is shared by many requests under load and awaited by nobody at rest.
///
/// A request that finds a free place writes its batch itself and then hands the place to the oldest
/// one waiting; there is no task of its own to start or stop. An event is durable when `write` has
/// returned. One that throws `outcomeUnknown` or is cut off may have been stored; its message_id
/// makes sending it again safe.
public final class EventWriter: Sendable {
  public struct Limits: Sendable {
    /// Events of one transaction. A request that brings more has several, unless it comes under an
    /// Idempotency-Key.
    public var batch = 1000
    /// Of requests waiting and being written.
    public var bytes = 64 << 20
    /// Transactions at once.
    public var writers = 2

    public init() {}
  }

  private struct Work: Sendable {
    let events: [IncomingEvent]
    let now: Date
    let mark: IdempotencyMark?
    /// A key with a user scope, whose events are held against it in a transaction of their own.
    var scoped: Caller?
  }

  private enum Turn {
    case done([EventOutcome])
    /// Write a batch that begins with your own events.
    case lead
  }

  private struct State {
    /// Events that were brought, since the process began.
    var taken = 0
    var waiting: [(work: Work, continuation: CheckedContinuation<Turn, any Error>)] = []
    var bytes = 0
    var writers = 0
  }

  let db: Database
  private let logger: Logger
  private let intake: EventIntake
  private let limits: Limits
  private let state = Mutex(State())

  public init(
    db: Database, logger: Logger, observers: [any EventObserver] = [], limits: Limits = Limits()
  ) {
    self.db = db
    self.logger = logger
    self.intake = EventIntake(observers: observers)
    self.limits = limits
  }

  /// Bytes of requests that are waiting or being written.
  public var pendingBytes: Int { state.withLock { $0.bytes } }

  /// Events that requests have brought since the process began.
  public var taken: Int { state.withLock { $0.taken } }

  /// Stores the events; one outcome for each, in order. `bytes`: the size of the request.
  /// Throws 503 `unavailable` at once when too much is waiting already. `scoped`: the key they came
  /// with, when its user scope has to be looked at while they are written.
  public func write(
    _ events: [IncomingEvent], bytes: Int, now: Date, within scoped: Caller? = nil
  ) async throws -> [EventOutcome] {
    guard !events.isEmpty else { return [] }
    let current = IdempotencyMark.current
    let mark = current?.takeFirstWrite() ?? false ? current : nil
    defer { state.withLock { $0.bytes -= bytes } }
    let isFull = state.withLock { state in
      let isFull = state.bytes > 0 && state.bytes + bytes > limits.bytes
      state.bytes += bytes
      state.taken += events.count
      return isFull
    }
    if isFull {
      throw HeraldError(
        .unavailable, "More events are waiting than can be written; send them again in a moment.",
        retryAfter: 1)
    }
    guard mark == nil, events.count > limits.batch else {
      return try await take(Work(events: events, now: now, mark: mark, scoped: scoped))
    }
    // A huge request has a transaction for each part, and waits for its turn before each: others
    // are not held up by all of it.
    var outcomes: [EventOutcome] = []
    outcomes.reserveCapacity(events.count)
    for start in stride(from: 0, to: events.count, by: limits.batch) {
      let part = Array(events[start..<min(events.count, start + limits.batch)])
      outcomes += try await take(Work(events: part, now: now, mark: nil, scoped: scoped))
    }
    return outcomes
  }

  /// Waits for a writer, or becomes one.
  private func take(_ work: Work) async throws -> [EventOutcome] {
    let turn = try await withCheckedThrowingContinuation { continuation in
      let leads = state.withLock { state in
        // A free place means that nobody waits: a leader leaves only when the queue is empty.
        guard state.writers < limits.writers else {
          state.waiting.append((work, continuation))
          return false
        }
        state.writers += 1
        return true
      }
      if leads { continuation.resume(returning: .lead) }
    }
    switch turn {
    case .done(let outcomes): return outcomes
    case .lead: return try await lead(work)
    }
  }

  private func lead(_ own: Work) async throws -> [EventOutcome] {
    let followers = state.withLock { state in
      var count = own.events.count
      let taken = state.waiting.prefix { waiting in
        count += waiting.work.events.count
        return count <= limits.batch && own.scoped == nil && waiting.work.scoped == nil
      }
      state.waiting.removeFirst(taken.count)
      return Array(taken)
    }
    let results: [Result<[EventOutcome], any Error>]
    do {
      results = try await commit([own] + followers.map(\.work))
    } catch {
      results = Array(repeating: .failure(error), count: followers.count + 1)
    }
    let next = state.withLock { state -> CheckedContinuation<Turn, any Error>? in
      guard !state.waiting.isEmpty else {
        state.writers -= 1
        return nil
      }
      // Its events stay with the task that waits: they begin its batch.
      return state.waiting.removeFirst().continuation
    }
    next?.resume(returning: .lead)
    for (follower, result) in zip(followers, results.dropFirst()) {
      follower.continuation.resume(with: result.map(Turn.done))
    }
    return try results[0].get()
  }
}

// MARK: - One batch

extension EventWriter {
  /// One result for each work. Only after PostgreSQL refused some data are savepoints taken, to find
  /// the event at fault: it is rejected, its neighbours are stored.
  private func commit(_ works: [Work]) async throws -> [Result<[EventOutcome], any Error>] {
    let scoped = works.first?.scoped
    do {
      return try await db.pool.write { [intake] tx in
        try Self.store(works, in: tx) { try intake.store($0, of: scoped, now: $1, in: tx) }
      }
    } catch let error as PostgresError where error.isDataFault {
      logger.warning(
        "events refused by PostgreSQL, storing them one by one",
        metadata: ["error": "\(error.message)"])
      return try await db.pool.write { [intake] tx in
        try Self.store(works, in: tx) { events, now in
          try tx.bisecting(
            events, { try intake.store($0, of: scoped, now: now, in: tx) },
            refused: {
              .rejected(code: "unstorable", field: "", detail: "It was refused: \($1.message)")
            })
        }
      }
    }
  }

  private static func store(
    _ works: [Work], in tx: Transaction,
    _ store: ([IncomingEvent], Date) throws -> [EventOutcome]
  ) throws -> [Result<[EventOutcome], any Error>] {
    let refusals = works.map { work -> HeraldError? in
      do {
        try work.mark?.leave(in: tx)
        return nil
      } catch {
        return error as? HeraldError ?? HeraldError.idempotencyRunning
      }
    }
    let good = zip(works, refusals).filter { $0.1 == nil }.map(\.0)
    let now = good.map(\.now).max() ?? Date()
    var outcomes = try store(good.flatMap(\.events), now)[...]
    return zip(works, refusals).map { work, refusal in
      if let refusal { return .failure(refusal) }
      defer { outcomes = outcomes.dropFirst(work.events.count) }
      return .success(Array(outcomes.prefix(work.events.count)))
    }
  }
}

extension EventIntake {
  fileprivate func store(
    _ events: [IncomingEvent], of scoped: Caller?, now: Date, in tx: Transaction
  ) throws -> [EventOutcome] {
    guard let scoped else { return try store(events, isLive: true, now: now, in: tx) }
    return try store(events, within: scoped, isLive: true, now: now, in: tx)
  }
}
