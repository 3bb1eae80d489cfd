import Foundation
import JSON
import Logging
import Postgres

/// Carries out imports in the background, batch by batch. Any number of processes may run one: a job
/// belongs to who holds its lease, and what a killed process had committed is where the next goes on.
public struct JobRunner: Sendable {
  /// An upload that has brought nothing for this long is given up.
  static let uploadIdleSeconds = 900.0
  /// Imports of so many records change what the planner should know of the tables.
  static let analyzeFrom = 1000

  private let db: Database
  private let intake: EventIntake
  private let partitions: Partitions
  private let logger: Logger
  private let wake: Wake
  private let now: @Sendable () -> Date
  private let batchSize: Int
  /// How long a job waits for a process that has died.
  private let leaseSeconds: Double
  /// Live events this process has taken so far.
  private let liveEvents: @Sendable () -> Int
  /// How identities in files are read.
  private let form: @Sendable () async -> IdentityForm

  /// `wake`: the one that `Jobs` calls when a job is ready. `observers` hear of imported events too,
  /// told that they are history. `liveEvents` counts those that requests bring, which go first.
  public init(
    db: Database, observers: [any EventObserver] = [], partitions: Partitions, logger: Logger,
    wake: Wake,
    batchSize: Int = 1000, leaseSeconds: Double = 30,
    liveEvents: @escaping @Sendable () -> Int = { 0 },
    form: @escaping @Sendable () async -> IdentityForm = { .standard },
    now: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.db = db
    self.form = form
    self.intake = EventIntake(observers: observers)
    self.partitions = partitions
    self.logger = logger
    self.wake = wake
    self.batchSize = batchSize
    self.leaseSeconds = leaseSeconds
    self.liveEvents = liveEvents
    self.now = now
  }

  /// Works until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      do {
        if try await runNext() { continue }
      } catch {
        if Task.isCancelled { return }
        logger.warning("jobs wait for the database", metadata: ["error": "\(error)"])
      }
      await wake.wait(atMost: .seconds(1))
    }
  }

  /// Carries out the oldest waiting job to its end; false when there is none.
  public func runNext() async throws -> Bool {
    let lease = UUID()
    let claimed = try await db.pool.write { [now, leaseSeconds] tx in
      try JobStore.failAbandoned(idle: Self.uploadIdleSeconds, now: now(), in: tx)
      return try JobStore.claim(lease: lease, seconds: leaseSeconds, now: now(), in: tx)
    }
    guard let job = claimed else { return false }
    do {
      try await work(job.id, lease)
    } catch {
      guard let problem = Self.problem(error) else { throw error }
      logger.log(
        level: problem == Self.unexpected ? .error : .warning, "job failed",
        metadata: ["job": "\(job.id)", "error": "\(error)"])
      try await fail(job.id, problem)
    }
    return true
  }

  /// What a job that met this has failed of; nil when it can go on later, because only the database
  /// is away or the process ends.
  private static func problem(_ error: any Error) -> String? {
    switch error {
    case is CancellationError: nil
    case let error as HeraldError where error.code == .unavailable: nil
    case let error as HeraldError where error.code != .unexpected: error.message
    case let error as PostgresError where error.isUnavailable || error.kind == .cancelled: nil
    default: unexpected
    }
  }

  private static let unexpected = "Something went wrong inside Herald; its log has it."

  /// Batch after batch, resting between them where live traffic wants the database.
  private func work(_ id: UUID, _ lease: UUID) async throws {
    var lane = SlowLane()
    var known = (live: liveEvents(), at: ContinuousClock.now)
    while true {
      let began = ContinuousClock.now
      do {
        guard let records = try await step(id, lease) else { return }
        let (ended, live) = (ContinuousClock.now, liveEvents())
        let pause = lane.pause(
          after: (ended - began).inSeconds, records: records, live: live - known.live,
          elapsed: (ended - known.at).inSeconds)
        known = (live, ended)
        if pause > 0 { try await Task.sleep(for: .seconds(pause)) }
      } catch let missing as ImportBatch.MissingMonths {
        try await partitions.make(missing.months, of: .events)
      }
      try Task.checkCancellation()
    }
  }

  /// One batch: how many records; nil when the job is over, or no longer ours.
  private func step(_ id: UUID, _ lease: UUID) async throws -> Int? {
    let now = now()
    let form = await form()
    return try await db.pool.write(timeout: .seconds(600)) { tx in
      try IdentityForm.$standard.withValue(form) { try step(id, lease, now: now, in: tx) }
    }
  }

  private func step(_ id: UUID, _ lease: UUID, now: Date, in tx: Transaction) throws -> Int? {
    guard let job = try JobStore.hold(id, lease: lease, in: tx) else { return nil }
    guard let kind = Job.Kind(job.kind) else {
      throw HeraldError(.unexpected, "'\(job.kind)' is no kind of import.")
    }
    let caller = Caller.importing(for: job.createdBy)
    let batch = ImportBatch(
      job: job, kind: kind, intake: intake, caller: caller, now: now, size: batchSize)
    let outcome = try batch.run(in: tx)
    try JobStore.advance(
      id, to: outcome.progress, done: outcome.done, failed: outcome.failed,
      leaseSeconds: leaseSeconds, now: now, in: tx)
    guard outcome.isLast else { return outcome.done }
    try Self.complete(job, kind, by: caller, now: now, in: tx)
    return nil
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

  /// PostgreSQL has no text for U+0000, and a job that cannot be ended would begin again.
  private func fail(_ id: UUID, _ problem: String) async throws {
    let problem = problem.replacingOccurrences(of: "\0", with: "\u{FFFD}")
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
