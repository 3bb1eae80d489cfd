import Foundation
import Logging
import Postgres
import Synchronization

/// Works the queue: finds lanes with due work, claims, takes batches through the gates and flies
/// what is left. Any number of processes do this beside each other, with the database between them.
/// One look finds the lanes for all workers of a process.
public final class Dispatcher: Sendable {
  private let db: Database
  private let senders: Senders
  private let plans: ApprovedPlans
  private let launches: Launches
  private let projectSettings: @Sendable () async throws -> ProjectSettings
  private let settings: DispatchSettings
  private let now: @Sendable () -> Date
  private let health = SenderHealth()
  /// Lanes that one worker takes together.
  private struct Share: Sendable {
    let id = UUID()
    var lanes: [Int] = []
  }

  /// What is worked on.
  private struct Busy {
    var workers = 0
    /// Each with the share it was taken in.
    var lanes: [Int: UUID] = [:]
    /// More was due than could be taken.
    var isShort = false
  }
  private let busy = Mutex(Busy())
  /// Batches that failed since one went well: a fault that lasts is not worth a line each time.
  private let failures = Mutex(0)
  private let handovers: HandoverMark
  private let links: UnsubscribeLinks?
  private let stop = DispatchStop()
  private let persistence: Persistence
  private let logger: Logger

  /// What this process handed over and what came of it.
  var attempts: AttemptMetrics { health.attempts }

  public init(
    db: Database, senders: Senders, settings: DispatchSettings = DispatchSettings(),
    projectSettings: @escaping @Sendable () async throws -> ProjectSettings,
    now: @escaping @Sendable () -> Date = { Date() },
    handovers: HandoverMark = HandoverMark(directory: nil), links: UnsubscribeLinks? = nil,
    logger: Logger
  ) {
    self.db = db
    self.senders = senders
    self.settings = settings
    self.projectSettings = projectSettings
    self.now = now
    self.handovers = handovers
    self.links = links
    self.logger = logger
    plans = ApprovedPlans()
    persistence = Persistence(db: db, stop: stop)
    launches = Launches(db: db, plans: plans, settings: projectSettings, logger: logger)
  }

  /// Works until the task is cancelled; then finishes what is under way, in 20 seconds at most. Not
  /// to be run again.
  /// `due`: called when there is work in the queue and nothing to launch.
  public func run(wake: Wake, due: Wake? = nil) async {
    // What is entered is due: the launch wakes the scout.
    let (launch, scout) = (wake.follower(), wake.follower())
    due?.add(scout)
    await withTaskCancellationHandler {
      await withDiscardingTaskGroup { group in
        group.addTask {
          await self.loop("launch", launch) {
            let worked = try await self.launches.advance(now: self.now())
            if worked { scout.call() }
            return worked
          }
        }
        group.addTask {
          await withDiscardingTaskGroup { lanes in
            await self.loop("dispatch", scout) {
              for share in try await self.scout() {
                lanes.addTask { await self.look(after: share, scout) }
              }
              return false
            }
          }
        }
      }
    } onCancel: {
      stop.set()
    }
  }

  /// Due lanes, shared out to as many workers as are free; they are taken.
  private func scout() async throws -> [Share] {
    let isFull = busy.withLock { busy in
      busy.isShort = busy.workers >= settings.workers
      return busy.isShort
    }
    guard !isFull else { return [] }
    return take(try await dueLanes())
  }

  /// One worker's turn in lanes that are taken. When there was work, there may be more by now; when
  /// other lanes had to wait for a worker, here is one.
  private func look(after share: Share, _ scout: Wake) async {
    do {
      // A task of its own: the end comes through `stop`, which lets what is out be settled.
      let worked = try await Task { try await self.stay(in: share, scout) }.value
      failures.withLock { $0 = 0 }
      if worked || busy.withLock(\.isShort) { scout.call() }
    } catch {
      guard !(error is CancellationError), !stop.isSet else { return }
      let count = failures.withLock { count in
        count += 1
        return count
      }
      report(error, of: "dispatch", count)
    }
  }

  /// Launches and dispatches until nothing is due any more. For tests and one-off commands.
  public func drain() async throws {
    while true {
      let launched = try await launches.advance(now: now())
      let worked = try await step()
      if !launched, !worked { return }
    }
  }

  private func loop(
    _ name: String, _ wake: Wake, _ body: () async throws -> Bool
  ) async {
    var failures = 0
    while !Task.isCancelled {
      do {
        let worked = try await body()
        failures = 0
        if !worked { await wake.wait(atMost: settings.pollInterval) }
      } catch is CancellationError {
        return
      } catch {
        // The pool has its own word for a query that was cancelled.
        if Task.isCancelled { return }
        failures += 1
        report(error, of: name, failures)
        await wake.wait(atMost: .milliseconds(min(200 * failures, 2000)))
      }
    }
  }

  private func report(_ error: any Error, of name: String, _ failures: Int) {
    guard failures == 1 || failures % 50 == 0 else { return }
    logger.error("\(name) failed; trying again", metadata: ["error": "\(error)"])
  }

  /// Batches that are worked on before other lanes have their turn.
  private static let stay = 8

  /// A few batches of some lanes; false when nothing was due.
  func step() async throws -> Bool {
    guard let share = take(try await dueLanes(), most: 1).first else { return false }
    return try await stay(in: share, nil)
  }

  /// A few batches of lanes that are taken, which are then let go.
  private func stay(in share: Share, _ scout: Wake?) async throws -> Bool {
    defer {
      letGo(share)
      busy.withLock { $0.workers -= 1 }
    }
    var batches = 0
    while batches < Self.stay {
      let claimed = try await work(share, scout)
      if claimed > 0 { batches += 1 }
      // Looking for lanes costs more than claiming: while these are full, there is no need to.
      guard claimed == settings.batch, !stop.isSet else { break }
    }
    return batches > 0
  }

  private func letGo(_ share: Share) {
    busy.withLock { busy in
      for lane in share.lanes where busy.lanes[lane] == share.id { busy.lanes[lane] = nil }
    }
  }

  /// Rows for which lanes share a worker: a batch of one costs nearly as much as one of ten. Not more,
  /// since nobody can have them while a worker that vanished holds them.
  private static let together = 16

  /// Due lanes nobody in this process is working on, for as many workers as are free, or `most`.
  private func take(_ due: [QueueStore.DueLane], most: Int? = nil) -> [Share] {
    busy.withLock { busy in
      let free = due.filter { busy.lanes[$0.lane] == nil }.shuffled()
      var shares: [Share] = []
      var rows = Self.together
      for due in free {
        if rows >= Self.together {
          shares.append(Share())
          rows = 0
        }
        shares[shares.count - 1].lanes.append(due.lane)
        rows += due.rows
      }
      let taken = shares.prefix(most ?? max(0, settings.workers - busy.workers))
      busy.isShort = taken.count < shares.count || free.count < due.count
      busy.workers += taken.count
      for share in taken {
        for lane in share.lanes { busy.lanes[lane] = share.id }
      }
      return Array(taken)
    }
  }

  private func dueLanes() async throws -> [QueueStore.DueLane] {
    let now = now()
    return try await db.read {
      try QueueStore.dueLanes(counting: Self.together, now: now, in: $0)
    }
  }

  /// How many rows were claimed.
  private func work(_ share: Share, _ scout: Wake?) async throws -> Int {
    let lease = Lease(lanes: share.lanes, seconds: settings.leaseSeconds)
    var claimed: [QueueEntry] = []
    do {
      claimed = try await claim(lease)
      guard !claimed.isEmpty else { return 0 }
      let handovers = try await prepare(claimed, lease)
      if claimed.count < settings.batch {
        // Whatever comes into these lanes need not wait for a channel that is slow.
        letGo(share)
        if busy.withLock(\.isShort) { scout?.call() }
      }
      try await renewing(lease, handovers) { try await fly(handovers, lease) }
      return claimed.count
    } catch {
      try await giveBack(claimed, lease, after: error)
      throw error
    }
  }

  private func claim(_ lease: Lease) async throws -> [QueueEntry] {
    let now = now()
    let batch = settings.batch
    return try await db.dispatch { tx in
      guard try !StopStore.lock(in: tx).contains("all") else { return [] }
      return try QueueStore.claim(lease, limit: batch, now: now, in: tx)
    }
  }

  private func prepare(_ entries: [QueueEntry], _ lease: Lease) async throws -> [Handover] {
    let preparation = Preparation(
      plans: plans, senders: senders, health: health, settings: settings,
      project: try await projectSettings(), links: links, now: now(), lease: lease)
    // The preparation begins hand-overs: this finds out first whether the database was restored
    // meanwhile, and stops everything when it was.
    try await handovers.advance(in: db, logger: logger)
    let start = ContinuousClock.now
    // When its answer was lost, what it settled is refused the second time.
    let handovers = try await persistence.write { tx in try preparation.run(entries, in: tx) }
    if !handovers.isEmpty { lease.renewed(at: start) }
    return handovers
  }

  /// Lets go of what was not handed over, so that nobody has to wait for the lease to run out. When
  /// the database was away the rows are not to blame; anything else counts like a crash.
  private func giveBack(
    _ claimed: [QueueEntry], _ lease: Lease, after error: any Error
  ) async throws {
    let isInnocent = (error as? PostgresError)?.isUnavailable ?? false
    // The answer to the claim itself may have been lost.
    guard isInnocent || !claimed.isEmpty else { return }
    let now = now()
    try await persistence.write { tx in
      try QueueStore.giveBack(lease, isInnocent: isInnocent, now: now, in: tx)
    }
  }

  /// Runs `work` while the lease is renewed in the background.
  private func renewing(
    _ lease: Lease, _ handovers: [Handover], _ work: () async throws -> Void
  ) async throws {
    guard !handovers.isEmpty else { return }
    let rows = handovers.map(\.entry.key)
    let renewal = Task {
      while !Task.isCancelled {
        try await Task.sleep(for: .seconds(lease.seconds) / 3)
        let start = ContinuousClock.now
        let held = try? await db.dispatch { tx in try QueueStore.renew(rows, lease, in: tx) }
        if let held, held > 0 { lease.extended(at: start) }
      }
    }
    defer { renewal.cancel() }
    try await work()
  }

  /// One flight for each sender, beside each other: a slow one does not hold up the rest, and one
  /// that fails does not cut the others off.
  private func fly(_ handovers: [Handover], _ lease: Lease) async throws {
    let bySender = Dictionary(grouping: handovers) { $0.sender.key }
    let failure = await withTaskGroup(of: (any Error)?.self) { group in
      for rows in bySender.values { group.addTask { await self.fly(rows, through: lease) } }
      return await group.reduce(nil) { $0 ?? $1 }
    }
    if let failure { throw failure }
  }

  /// All of one sender; returns what went wrong.
  private func fly(_ rows: [Handover], through lease: Lease) async -> (any Error)? {
    guard let sender = rows.first?.sender else { return nil }
    do {
      let admitted = health.admit(sender.key, wanted: rows.count)
      if admitted < rows.count { try await rest(Array(rows.dropFirst(admitted)), lease) }
      guard admitted > 0 else { return nil }
      try await Flight(
        db: db, persistence: persistence, stop: stop, plans: plans, health: health,
        settings: settings, lease: lease, sender: sender,
        adapter: try senders.adapter(for: sender), now: now,
        jitter: { Double.random(in: 0..<1) }, mark: handovers,
        projectZone: try await projectSettings().timeZone, logger: logger
      ).carry(Array(rows.prefix(admitted)))
      return nil
    } catch {
      return error
    }
  }

  /// Puts rows back while their sender's breaker is open.
  private func rest(_ rows: [Handover], _ lease: Lease) async throws {
    let until = now().addingTimeInterval(Double(SenderHealth.rest.components.seconds))
    try await persistence.write { tx in
      let held = try QueueStore.postpone(
        rows.map { $0.postponement(until: until) }, lease: lease.id, in: tx)
      try CapUseStore.giveBack(rows.slots(of: held), in: tx)
    }
  }
}
