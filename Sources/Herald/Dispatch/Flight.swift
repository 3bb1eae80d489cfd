import Foundation
import JSON
import Logging
import Postgres

/// Carries the hand-overs of one lane that go through one sender: begins them in micro-batches,
/// sends, settles. Only what is begun can be in doubt after a crash.
struct Flight: Sendable {
  let db: Database
  let senders: Senders
  let plans: ApprovedPlans
  let health: SenderHealth
  let settings: DispatchSettings
  let lane: Int
  let lease: UUID
  let sender: StoredSender
  let handovers: [Handover]
  let now: @Sendable () -> Date
  let jitter: @Sendable () -> Double
  let mark: HandoverMark
  let logger: Logger

  /// Seconds of a pace that are taken at a time, and for which a flight waits at most.
  private static let slab = 0.25
  private static let longestWait = 2.0

  /// Hand-overs of a sender that may be in doubt at once after a crash.
  static func size(
    for sender: StoredSender, by senders: Senders, _ settings: DispatchSettings
  ) throws -> Int {
    try senders.adapter(for: sender).resendsSafely ? settings.batch : sender.sender.concurrency
  }

  func carry() async throws {
    let adapter = try senders.adapter(for: sender)
    // The preparation has just renewed all of them.
    var renewed = ContinuousClock.now
    let begun = handovers.filter(\.isBegun)
    if !begun.isEmpty { try await complete(begun, through: adapter) }
    var waiting = handovers.filter { !$0.isBegun }[...]
    let quota = sender.sender.pacePerSecond.map { max(1, Int($0 * Self.longestWait)) }
    if let quota, waiting.count > quota {
      try await postpone(Array(waiting.dropFirst(quota)), from: quota)
      waiting = waiting.prefix(quota)
    }
    let size = try Self.size(for: sender, by: senders, settings)
    while !waiting.isEmpty {
      let granted = try await takePace(min(size, waiting.count), Array(waiting))
      if granted == 0 {
        try await Task.sleep(for: .milliseconds(50))
        continue
      }
      let chunk = Array(waiting.prefix(granted))
      waiting = waiting.dropFirst(granted)
      let renews = ContinuousClock.now - renewed > .seconds(settings.leaseSeconds) / 4
      if renews { renewed = .now }
      guard let begun = try await begin(chunk, renews: renews) else {
        try await release(chunk + waiting)
        return
      }
      try await complete(begun, through: adapter)
    }
  }

  private func complete(_ begun: [Handover], through adapter: any ChannelAdapter) async throws {
    try await settle(await renewing { await send(begun, through: adapter) })
  }

  /// Tokens of the sender and of the plans; how many of the first `wanted` may go now.
  private func takePace(_ wanted: Int, _ rows: [Handover]) async throws -> Int {
    let plan = rows[0].entry.plan
    let perMinute = try await limits(of: rows[0].entry).perMinute
    // One plan at a time where a plan has a pace of its own.
    let same =
      perMinute == nil ? wanted : rows.prefix(wanted).prefix { $0.entry.plan == plan }.count
    guard sender.sender.pacePerSecond != nil || perMinute != nil else { return wanted }
    return try await db.dispatch { tx in
      var granted = same
      if let perMinute {
        granted = try PaceStore.take(
          scope: "plan:\(plan)", rate: Double(perMinute) / 60, burst: Self.slab, wanted: granted,
          in: tx)
      }
      if let rate = sender.sender.pacePerSecond, granted > 0 {
        granted = try PaceStore.take(
          scope: "sender:\(sender.key)", rate: rate, burst: Self.slab, wanted: granted, in: tx)
      }
      return granted
    }
  }

  private func limits(of entry: QueueEntry) async throws -> PlanDocument.Limits {
    if let known = plans.known(entry.planName) { return known.document.limits }
    return try await db.read { db in
      try plans.get(entry.plan, entry.planVersion, in: db).document.limits
    }
  }

  /// Marks the chunk as handed over; nil when a stop came in between or the lease is lost.
  /// `renews`: with a renewed lease for the rest as well.
  private func begin(_ chunk: [Handover], renews: Bool) async throws -> [Handover]? {
    // Finds out whether the database was restored meanwhile, and stops everything when it was.
    try await mark.advance(in: db, logger: logger)
    return try await db.dispatch { tx in
      let stops = try StopStore.lock(in: tx)
      let paused = try StopStore.pausedPlans(Set(chunk.map(\.entry.plan)).sorted(), in: tx)
      let cancelled = try StopStore.cancelledRuns(Set(chunk.map(\.entry.runID)), in: tx)
      let channel = "channel:\(sender.sender.channel.rawValue)"
      guard stops.isDisjoint(with: ["all", channel]), paused.isEmpty, cancelled.isEmpty else {
        return nil
      }
      if renews {
        _ = try QueueStore.renew(
          lane: lane, lease: lease, leaseSeconds: settings.leaseSeconds, in: tx)
      }
      let held = try QueueStore.markHandedOver(
        chunk.map(\.entry.deliveryID), lane: lane, lease: lease,
        leaseSeconds: settings.leaseSeconds, in: tx)
      return chunk.filter { held.contains($0.entry.deliveryID) }
    }
  }

  private struct Result: Sendable {
    let handover: Handover
    let outcome: AttemptOutcome
    let startedAt: Date
  }

  private func send(
    _ chunk: [Handover], through adapter: any ChannelAdapter
  ) async -> [Result] {
    await withTaskGroup(of: Result.self) { group in
      var results: [Result] = []
      results.reserveCapacity(chunk.count)
      for (index, handover) in chunk.enumerated() {
        if index >= sender.sender.concurrency, let done = await group.next() {
          results.append(done)
        }
        group.addTask {
          let started = now()
          let outcome = await adapter.send(handover.message)
          return Result(handover: handover, outcome: outcome, startedAt: started)
        }
      }
      for await done in group { results.append(done) }
      return results
    }
  }

  /// Runs `work` while the lease is renewed in the background.
  private func renewing<T: Sendable>(_ work: @escaping @Sendable () async -> T) async -> T {
    let renewal = Task {
      while !Task.isCancelled {
        try await Task.sleep(for: .seconds(settings.leaseSeconds) / 3)
        _ = try? await db.pool.write { tx in
          try QueueStore.renew(
            lane: lane, lease: lease, leaseSeconds: settings.leaseSeconds, in: tx)
        }
      }
    }
    defer { renewal.cancel() }
    return await work()
  }

  /// Tries for as long as the lease may last: what went out is worth remembering.
  private func settle(_ results: [Result]) async throws {
    health.record(sender.key, outcomes: results.map(\.outcome))
    let deadline = ContinuousClock.now + .seconds(settings.leaseSeconds)
    while true {
      do {
        let refused = try await db.dispatch { tx in try write(results, in: tx) }
        if refused > 0 {
          logger.warning(
            "settlement refused: the lease was lost",
            metadata: ["sender": "\(sender.key)", "deliveries": "\(refused)"])
        }
        return
      } catch let error as PostgresError where error.isUnavailable {
        guard ContinuousClock.now < deadline else { throw error }
        try await Task.sleep(for: .milliseconds(200))
      }
    }
  }

  private func write(_ results: [Result], in tx: Transaction) throws -> Int {
    var settlement = Settlement(lane: lane, lease: lease)
    let now = now()
    for result in results {
      let entry = result.handover.entry
      let plan = try plans.get(entry.plan, entry.planVersion, in: tx)
      guard let step = plan.step(entry.stepID) else { continue }
      AttemptRule(
        step: step, now: now, jitter: jitter,
        resendsSafely: try senders.adapter(for: sender).resendsSafely
      )
      .apply(result.outcome, of: result.handover, startedAt: result.startedAt, to: &settlement)
      try act(on: result, now: now, in: tx)
    }
    return try settlement.apply(now: now, in: tx)
  }

  /// What an outcome says beyond its delivery: a dead address, a sender at fault.
  private func act(on result: Result, now: Date, in tx: Transaction) throws {
    switch result.outcome {
    case .rejected(_, addressDead: true):
      try DeadAddressStore.mark(
        result.handover.message.address, of: result.handover.entry.userID, now: now, in: tx)
    case .senderFault(let reason):
      guard
        let paused = try SenderStore.setState(sender.key, .paused, reason: reason, now: now, in: tx)
      else { return }
      try AuditStore.append(
        AuditEntry(
          "sender.paused", "sender", sender.key,
          after: ["state": .string(paused.state.rawValue), "reason": .string(reason)],
          by: .herald, at: now), in: tx)
      logger.error(
        "sender paused: its account is at fault",
        metadata: ["sender": "\(sender.key)", "reason": "\(reason)"])
    default: break
    }
  }

  private func release(_ rows: [Handover]) async throws {
    let ids = rows.map(\.entry.deliveryID)
    try await db.dispatch { tx in
      try QueueStore.release(ids, lane: lane, lease: lease, in: tx)
    }
  }

  /// More than the pace lets through soon: each comes back when its turn may be.
  private func postpone(_ rows: [Handover], from position: Int) async throws {
    guard let rate = sender.sender.pacePerSecond else { return }
    let now = now()
    try await db.dispatch { tx in
      try QueueStore.postpone(
        rows.enumerated().map { index, handover in
          QueueStore.Postponement(
            id: handover.entry.deliveryID,
            dueAt: now.addingTimeInterval(Double(position + index) / rate), link: handover.link,
            phase: .send, tries: handover.link == handover.entry.link ? handover.entry.tries : 0,
            sender: handover.sender.key, content: handover.message.content)
        }, lane: lane, lease: lease, in: tx)
    }
  }
}
