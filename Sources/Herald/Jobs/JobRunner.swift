import Foundation
import JSON
import Logging
import Postgres

/// Carries out imports in the background, batch by batch. Any number of processes may run one: a job
/// belongs to who holds its lease, and what a killed process had committed is where the next goes on.
public struct JobRunner: Sendable {
  /// How long a job waits for a process that has died.
  public static let leaseSeconds = 30.0
  /// An upload that has brought nothing for this long is given up.
  static let uploadIdleSeconds = 900.0
  /// Imports of so many records change what the planner should know of the tables.
  static let analyzeFrom = 1000

  private let db: Database
  private let intake: EventIntake
  private let logger: Logger
  private let wake: Wake
  private let now: @Sendable () -> Date
  private let batchSize: Int
  private let form: @Sendable () async -> IdentityForm

  /// `wake`: the one that `Jobs` calls when a job is ready. `observers` hear of imported events too,
  /// told that they are history.
  public init(
    db: Database, observers: [any EventObserver] = [], logger: Logger, wake: Wake,
    batchSize: Int = 1000, form: @escaping @Sendable () async -> IdentityForm = { .standard },
    now: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.form = form
    self.db = db
    self.intake = EventIntake(observers: observers)
    self.logger = logger
    self.wake = wake
    self.batchSize = batchSize
    self.now = now
  }

  /// Works until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      do {
        if try await runNext() { continue }
      } catch {
        logger.warning("jobs wait for the database", metadata: ["error": "\(error)"])
      }
      await wake.wait(atMost: .seconds(1))
    }
  }

  /// Carries out the oldest waiting job to its end; false when there is none.
  public func runNext() async throws -> Bool {
    let lease = UUID()
    let claimed = try await db.pool.write { [now] tx in
      try JobStore.failAbandoned(idle: Self.uploadIdleSeconds, now: now(), in: tx)
      return try JobStore.claim(lease: lease, seconds: Self.leaseSeconds, now: now(), in: tx)
    }
    guard let job = claimed else { return false }
    do {
      while try await step(job.id, lease) { try Task.checkCancellation() }
    } catch let error as HeraldError where error.code != .unavailable {
      try await fail(job.id, error.code == .unexpected ? Self.unexpected : error.message)
      logger.warning("job failed", metadata: ["job": "\(job.id)", "error": "\(error.message)"])
    } catch let error as PostgresError where !error.isUnavailable && error.kind != .cancelled {
      try await fail(job.id, Self.unexpected)
      logger.error("job failed", metadata: ["job": "\(job.id)", "error": "\(error)"])
    }
    return true
  }

  private static let unexpected = "Something went wrong inside Herald; its log has it."

  /// One batch; false when the job is over, or no longer ours.
  private func step(_ id: UUID, _ lease: UUID) async throws -> Bool {
    let now = now()
    let form = await form()
    return try await db.pool.write(timeout: .seconds(600)) { [intake, batchSize] tx in
      try IdentityForm.$standard.withValue(form) {
        try Self.step(id, lease, intake, batchSize, now: now, in: tx)
      }
    }
  }

  private static func step(
    _ id: UUID, _ lease: UUID, _ intake: EventIntake, _ batchSize: Int, now: Date,
    in tx: Transaction
  ) throws -> Bool {
      guard let job = try JobStore.hold(id, lease: lease, in: tx) else { return false }
      guard let kind = Job.Kind(job.kind) else {
        throw HeraldError(.unexpected, "'\(job.kind)' is no kind of import.")
      }
      let caller = Caller.importing(for: job.createdBy)
      let batch = ImportBatch(
        job: job, kind: kind, intake: intake, caller: caller, now: now, size: batchSize)
      let outcome = try batch.run(in: tx)
      try JobStore.advance(
        id, to: outcome.progress, done: outcome.done, failed: outcome.failed,
        leaseSeconds: Self.leaseSeconds, now: now, in: tx)
      guard outcome.isLast else { return true }
      try Self.complete(job, kind, by: caller, now: now, in: tx)
      return false
  }

  private static func complete(
    _ job: Job, _ kind: Job.Kind, by caller: Caller, now: Date, in tx: Transaction
  ) throws {
    if case .segment(let key) = kind {
      let segment = try SegmentStore.lock(key, in: tx)
      guard segment.segment.kind == .list else {
        throw HeraldError(.wrongState, "Segment '\(key)' is no static list any more.")
      }
      let size = try JobMemberStore.publish(
        job.id, as: key, after: segment.listVersion, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "segment.list", "segment", key, before: ["list_version": .int(segment.listVersion)],
          after: ["list_version": .int(segment.listVersion + 1), "size": .int(size)],
          by: caller, at: now), in: tx)
    }
    if job.total ?? 0 >= analyzeFrom { try JobStore.analyze(kind, in: tx) }
    _ = try JobStore.end(job.id, .completed, now: now, in: tx)
  }

  private func fail(_ id: UUID, _ problem: String) async throws {
    try await db.pool.write { [now] tx in
      _ = try JobStore.end(id, .failed, problem: problem, now: now(), in: tx)
    }
  }
}

extension Caller {
  /// Herald, carrying out what somebody asked for.
  fileprivate static func importing(for principal: String) -> Caller {
    Caller(keyID: Caller.herald.keyID, principal: principal, role: .operator)
  }
}
