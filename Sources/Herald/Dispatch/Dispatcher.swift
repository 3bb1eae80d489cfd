import Foundation
import Logging
import Postgres
import Synchronization

/// Works the queue: finds lanes with due work, claims, takes batches through the gates and flies
/// what is left. Any number of processes do this beside each other, with the database between them.
public final class Dispatcher: Sendable {
  private let db: Database
  private let senders: Senders
  private let plans: ApprovedPlans
  private let launches: Launches
  private let projectSettings: @Sendable () async throws -> ProjectSettings
  private let settings: DispatchSettings
  private let now: @Sendable () -> Date
  private let health = SenderHealth()
  private let busy = Mutex<Set<Int>>([])
  private let handovers: HandoverMark
  private let logger: Logger

  /// What this process handed over and what came of it.
  var attempts: AttemptMetrics { health.attempts }

  public init(
    db: Database, senders: Senders, settings: DispatchSettings = DispatchSettings(),
    projectSettings: @escaping @Sendable () async throws -> ProjectSettings,
    now: @escaping @Sendable () -> Date = { Date() },
    handovers: HandoverMark = HandoverMark(directory: nil), logger: Logger
  ) {
    self.db = db
    self.senders = senders
    self.settings = settings
    self.projectSettings = projectSettings
    self.now = now
    self.handovers = handovers
    self.logger = logger
    plans = ApprovedPlans()
    launches = Launches(db: db, plans: plans, settings: projectSettings, logger: logger)
  }

  /// Works until the task is cancelled; then finishes what is under way.
  public func run(wake: Wake) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await self.loop("launch", wake) { try await self.launches.advance(now: self.now()) }
      }
      for _ in 0..<settings.workers {
        group.addTask { await self.loop("dispatch", wake) { try await self.step() } }
      }
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
    _ name: String, _ wake: Wake, _ body: @Sendable () async throws -> Bool
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
        if failures == 1 || failures % 50 == 0 {
          logger.error("\(name) failed; trying again", metadata: ["error": "\(error)"])
        }
        await wake.wait(atMost: .milliseconds(min(200 * failures, 2000)))
      }
    }
  }

  /// Batches of a lane that are worked on before another lane has its turn.
  private static let stay = 8

  /// A few batches of one lane; false when nothing was due.
  func step() async throws -> Bool {
    let due = try await db.read { try QueueStore.dueLanes(now: self.now(), in: $0) }
    guard let lane = take(from: due) else { return false }
    defer { busy.withLock { _ = $0.remove(lane) } }
    var batches = 0
    while batches < Self.stay {
      let claimed = try await work(lane)
      if claimed > 0 { batches += 1 }
      // Looking for lanes costs more than claiming: while this one is full, there is no need to.
      guard claimed == settings.batch, !Task.isCancelled else { break }
    }
    return batches > 0
  }

  /// A lane nobody in this process is working on.
  private func take(from due: [Int]) -> Int? {
    busy.withLock { busy in
      let lane = due.filter { !busy.contains($0) }.randomElement()
      if let lane { busy.insert(lane) }
      return lane
    }
  }

  /// How many rows were claimed.
  private func work(_ lane: Int) async throws -> Int {
    let lease = UUID()
    let now = now()
    let settings = settings
    let entries = try await db.dispatch { tx in
      guard try !StopStore.lock(in: tx).contains("all") else { return [QueueEntry]() }
      return try QueueStore.claim(
        lane: lane, limit: settings.batch, lease: lease, leaseSeconds: settings.leaseSeconds,
        now: now, in: tx)
    }
    guard !entries.isEmpty else { return 0 }
    let preparation = Preparation(
      plans: plans, senders: senders, health: health, settings: settings,
      project: try await projectSettings(), now: now, lane: lane, lease: lease)
    // The preparation begins hand-overs: this finds out first whether the database was restored
    // meanwhile, and stops everything when it was.
    try await self.handovers.advance(in: db, logger: logger)
    let handovers = try await db.dispatch { tx in try preparation.run(entries, in: tx) }
    try await fly(handovers, lane: lane, lease: lease)
    return entries.count
  }

  /// One flight for each sender, beside each other: a slow one does not hold up the rest.
  private func fly(_ handovers: [Handover], lane: Int, lease: UUID) async throws {
    let bySender = Dictionary(grouping: handovers) { $0.sender.key }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (key, rows) in bySender {
        guard let sender = rows.first?.sender else { continue }
        let admitted = health.admit(key, wanted: rows.count)
        if admitted < rows.count {
          try await rest(Array(rows.dropFirst(admitted)), lane: lane, lease: lease)
        }
        guard admitted > 0 else { continue }
        let flight = Flight(
          db: db, senders: senders, plans: plans, health: health, settings: settings, lane: lane,
          lease: lease, sender: sender, handovers: Array(rows.prefix(admitted)), now: now,
          jitter: { Double.random(in: 0..<1) }, mark: self.handovers, logger: logger)
        group.addTask { try await flight.carry() }
      }
      try await group.waitForAll()
    }
  }

  /// Puts rows back while their sender's breaker is open.
  private func rest(_ rows: [Handover], lane: Int, lease: UUID) async throws {
    let until = now().addingTimeInterval(Double(SenderHealth.rest.components.seconds))
    try await db.dispatch { tx in
      try QueueStore.postpone(
        rows.map { row in
          QueueStore.Postponement(
            id: row.entry.deliveryID, dueAt: until, link: row.link, phase: .send,
            tries: row.link == row.entry.link ? row.entry.tries : 0, sender: row.sender.key,
            content: row.message.content)
        }, lane: lane, lease: lease, in: tx)
    }
  }
}
