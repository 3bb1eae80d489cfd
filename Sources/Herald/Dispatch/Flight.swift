import Foundation
import JSON
import Logging
import Postgres

/// Carries the hand-overs of a batch that go through one sender: begins them in micro-batches,
/// sends, settles. Only what is begun can be in doubt after a crash.
struct Flight: Sendable {
  let db: Database
  let persistence: Persistence
  let stop: DispatchStop
  let plans: ApprovedPlans
  let health: SenderHealth
  let settings: DispatchSettings
  let lease: Lease
  let sender: StoredSender
  let adapter: any ChannelAdapter
  let now: @Sendable () -> Date
  let jitter: @Sendable () -> Double
  let mark: HandoverMark
  /// By whose calendar days are counted.
  let projectZone: String
  let logger: Logger

  /// Seconds of a pace that are taken at a time, and for which a flight waits at most.
  private static let slab = 0.25
  private static let longestWait = 2.0
  /// How long the messages of one beginning may go on to leave: a stop is looked for in between.
  private static let longestChunk = Duration.milliseconds(500)

  /// Hand-overs of a sender that may be in doubt at once after a crash.
  static func size(
    for sender: StoredSender, by senders: Senders, _ settings: DispatchSettings
  ) throws -> Int {
    try senders.adapter(for: sender).resendsSafely ? settings.batch : sender.sender.concurrency
  }

  func carry(_ handovers: [Handover]) async throws {
    do {
      try await takeOff(handovers)
    } catch is QuotaSpent {}
  }

  private func takeOff(_ handovers: [Handover]) async throws {
    var waiting = handovers.filter { !$0.isBegun }[...]
    let begun = handovers.filter(\.isBegun)
    if !begun.isEmpty { waiting = (try await complete(begun) + waiting)[...] }
    let (soon, later) = Self.split(Array(waiting), senderPace: sender.sender.pacePerSecond)
    try await postpone(later)
    // A slow plan does not stand in the way of those that have no pace.
    waiting = (soon.filter { $0.planPace == nil } + soon.filter { $0.planPace != nil })[...]
    let size = adapter.resendsSafely ? settings.batch : sender.sender.concurrency
    while !waiting.isEmpty {
      guard !stop.isSet, lease.isHeld else { return try await release(Array(waiting)) }
      let grant = try await takePace(min(size, waiting.count), Array(waiting))
      if grant.count == 0 {
        guard grant.wait <= Self.longestWait else {
          let plan = grant.isOfPlan ? waiting.first?.entry.plan : nil
          let slow = waiting.filter { plan == nil || $0.entry.plan == plan }
          try await postpone(slow, after: grant.wait)
          waiting = waiting.filter { plan != nil && $0.entry.plan != plan }[...]
          continue
        }
        try await Task.sleep(for: .seconds(min(max(grant.wait, 0.01), 0.25)))
        continue
      }
      let granted = grant.count
      let chunk = Array(waiting.prefix(granted))
      // Hours, days and the ends of windows begin on whole minutes: what has waited into another one
      // goes through its gates again.
      guard chunk.allSatisfy({ $0.preparedAt.minute == now().minute }) else {
        return try await release(Array(waiting))
      }
      guard let begun = try await begin(chunk) else { return try await release(Array(waiting)) }
      waiting = waiting.dropFirst(granted)
      let unsent = try await complete(begun)
      if !unsent.isEmpty { waiting = (unsent + waiting)[...] }
    }
  }

  /// Sends and settles; what did not leave.
  private func complete(_ begun: [Handover]) async throws -> [Handover] {
    let (results, unsent) = await stop.abortable { await send(begun) }
    if !results.isEmpty { try await settle(results) }
    return unsent
  }

  /// Tokens of the sender and of the plans; how many of the first `wanted` may go now.
  private func takePace(_ wanted: Int, _ rows: [Handover]) async throws -> PaceStore.Grant {
    guard let first = rows.first else { return PaceStore.Grant(count: 0) }
    let plan = first.entry.plan
    // One plan at a time where a plan has a pace of its own.
    let same =
      first.planPace == nil
      ? rows.prefix(wanted).prefix { $0.planPace == nil }.count
      : rows.prefix(wanted).prefix { $0.entry.plan == plan }.count
    let today = WallClock(TimeZone(identifier: projectZone) ?? .gmt)
    let now = now()
    guard
      sender.sender.pacePerSecond != nil || sender.sender.quotaPerDay != nil
        || first.planPace != nil
    else { return PaceStore.Grant(count: same) }
    let grant = try await persistence.write { tx in
      var grant = PaceStore.Grant(count: same)
      if let rate = first.planPace {
        grant = try PaceStore.take(
          scope: "plan:\(plan)", rate: rate, burst: Self.slab, wanted: grant.count, in: tx)
        grant.isOfPlan = true
      }
      if let rate = sender.sender.pacePerSecond, grant.count > 0 {
        grant = try PaceStore.take(
          scope: "sender:\(sender.key)", rate: rate, burst: Self.slab, wanted: grant.count, in: tx)
      }
      if let limit = sender.sender.quotaPerDay, grant.count > 0 {
        grant.count = try PaceStore.takeQuota(
          of: sender.key, on: today.day(of: now), limit: limit, wanted: grant.count, in: tx)
        if grant.count == 0 { grant.wait = .infinity }
      }
      return grant
    }
    guard grant.wait == .infinity else { return grant }
    let tomorrow = today.midnight(
      CivilDay(daysSince1970: today.day(of: now).daysSince1970 + 1))
    health.spend(sender, until: tomorrow)
    // At once: another sender may carry them, or their gates say until when they wait.
    try await release(rows.filter { $0.doubt == nil })
    try await postpone(rows.filter { $0.doubt != nil }.map { ($0, 60) })
    throw QuotaSpent()
  }

  /// What remains of the flight is given back already.
  private struct QuotaSpent: Error {}

  /// Marks the chunk as handed over; nil when a stop came in between. Those the lease has lost are
  /// left out.
  private func begin(_ chunk: [Handover]) async throws -> [Handover]? {
    // Finds out whether the database was restored meanwhile, and stops everything when it was.
    try await persistence.attempt { try await mark.advance(in: db, logger: logger) }
    let start = ContinuousClock.now
    let begun = try await persistence.write { tx -> [Handover]? in
      let stops = try StopStore.lock(in: tx)
      let paused = try StopStore.pausedPlans(Set(chunk.map(\.entry.plan)).sorted(), in: tx)
      let cancelled = try StopStore.cancelledRuns(Set(chunk.map(\.entry.runID)), in: tx)
      let channel = "channel:\(sender.sender.channel.rawValue)"
      guard stops.isDisjoint(with: ["all", channel]), paused.isEmpty, cancelled.isEmpty else {
        return nil
      }
      let held = try QueueStore.markHandedOver(chunk.map(\.entry.key), lease, in: tx)
      let begun = chunk.filter { held.contains($0.entry.deliveryID) }
      try CapUseStore.move(begun.compactMap(\.holder), to: now(), in: tx)
      return begun
    }
    if let begun, begun.count == chunk.count { lease.renewed(at: start) }
    return begun
  }

  private struct Result: Sendable {
    let handover: Handover
    let outcome: AttemptOutcome
    let startedAt: Date
  }

  /// What became of the chunk, and what of it did not leave: when a stop is near, the lease may have
  /// run out, or the chunk takes long.
  private func send(_ chunk: [Handover]) async -> (results: [Result], unsent: [Handover]) {
    let limit = ContinuousClock.now + Self.longestChunk
    return await withTaskGroup(of: Result.self) { group in
      var results: [Result] = []
      results.reserveCapacity(chunk.count)
      var unsent: [Handover] = []
      for (index, handover) in chunk.enumerated() {
        if index >= sender.sender.concurrency, let done = await group.next() {
          results.append(done)
        }
        guard !stop.isSet, lease.isHeld, index < sender.sender.concurrency || .now < limit else {
          unsent = Array(chunk[index...])
          break
        }
        group.addTask {
          let started = now()
          let outcome = await adapter.send(handover.message)
          return Result(handover: handover, outcome: outcome, startedAt: started)
        }
      }
      for await done in group { results.append(done) }
      return (results, unsent)
    }
  }

  /// What went out is worth remembering: for as long as the database is away, nobody else can have
  /// taken the rows over, and when somebody has, the lease is refused.
  private func settle(_ results: [Result]) async throws {
    health.record(sender.key, outcomes: results.map(\.outcome))
    let refused = try await persistence.write { tx in try write(results, in: tx) }
    if refused > 0 {
      logger.warning(
        "settlement refused: the lease was lost",
        metadata: ["sender": "\(sender.key)", "deliveries": "\(refused)"])
    }
  }

  private func write(_ results: [Result], in tx: Transaction) throws -> Int {
    var settlement = Settlement(lease: lease.id)
    let now = now()
    for result in results {
      let entry = result.handover.entry
      let plan = try plans.get(entry.plan, entry.planVersion, in: tx)
      guard let step = plan.step(entry.stepID) else { continue }
      AttemptRule(step: step, now: now, jitter: jitter, resendsSafely: adapter.resendsSafely)
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
    try await persistence.write { tx in
      let held = try QueueStore.release(
        rows.map { (key: $0.entry.key, doubt: $0.doubt) }, lease, in: tx)
      try CapUseStore.giveBack(rows.slots(of: held), in: tx)
    }
  }

  /// What may leave within a flight's patience, and what each of the others has to wait, by the
  /// position it has in the queue of its sender and of its plan.
  static func split(
    _ rows: [Handover], senderPace: Double?
  ) -> (soon: [Handover], later: [(row: Handover, wait: Double)]) {
    var soon: [Handover] = []
    var later: [(row: Handover, wait: Double)] = []
    var ahead: [String: Int] = [:]
    for (position, row) in rows.enumerated() {
      let place = ahead[row.entry.plan, default: 0]
      ahead[row.entry.plan] = place + 1
      let wait = max(
        senderPace.map { Double(position) / $0 } ?? 0, row.planPace.map { Double(place) / $0 } ?? 0)
      if wait < longestWait { soon.append(row) } else { later.append((row, wait)) }
    }
    return (soon, later)
  }

  /// None of them goes within a flight's patience.
  private func postpone(_ rows: [Handover], after wait: Double) async throws {
    let (soon, later) = Self.split(rows, senderPace: sender.sender.pacePerSecond)
    try await postpone(soon.map { ($0, wait) } + later.map { ($0.row, wait + $0.wait) })
  }

  /// Each comes back when its turn may be.
  private func postpone(_ rows: [(row: Handover, wait: Double)]) async throws {
    guard !rows.isEmpty else { return }
    let now = now()
    try await persistence.write { tx in
      let held = try QueueStore.postpone(
        rows.map { $0.row.postponement(until: now.addingTimeInterval($0.wait)) },
        lease: lease.id, in: tx)
      try CapUseStore.giveBack(rows.map(\.row).slots(of: held), in: tx)
    }
  }
}

extension Date {
  /// Whole minutes since 1970.
  fileprivate var minute: Double { (timeIntervalSince1970 / 60).rounded(.down) }
}
