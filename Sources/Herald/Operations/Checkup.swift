import Foundation
import JSON
import Postgres

/// Looks through the database for everything Herald relies on, and says how to mend what is wrong.
/// Changes nothing.
public struct Checkup: Sendable {
  let db: Database
  let audits: Audits
  let reports: Reports
  let senders: Senders

  /// Some checks read whole tables.
  static let patience = Duration.seconds(300)

  /// Everything about the database, in the order a cause comes before its effects.
  public func database(now: Date) async -> [Finding] {
    var findings = await look("postgresql") { try await server() }
    guard findings.allSatisfy({ $0.check != "postgresql" || $0.level != .fail }) else {
      return findings
    }
    let schema = await look("schema") { [try await self.schema()] }
    findings += schema
    findings += await look("clock") { [try await clock()] }
    guard schema.allSatisfy({ $0.level == .ok }) else { return findings }
    findings += await look("role") { try await role() }
    findings += await look("keys") { [try await adminKeys(now)] }
    findings += await look("partitions") { try await partitions(now) }
    findings += await look("audit") { [try await audit()] }
    findings += await look("accounting") { [try await accounting(now)] }
    findings += await look("ledger") { try await ledger() }
    findings += await look("dispatch") { try await dispatch(now) }
    findings += await look("jobs") { [try await jobs(now)] }
    return findings
  }

  /// A check that cannot be made is a failure of its own.
  func look(_ check: String, _ body: () async throws -> [Finding]) async -> [Finding] {
    do {
      return try await body()
    } catch let error as PostgresError {
      let remedy =
        error.isUnavailable
        ? "Look whether PostgreSQL runs and HERALD_DATABASE_URL leads to it."
        : "Look into PostgreSQL's log."
      return [.fail(check, "cannot be checked: \(error.message)", remedy)]
    } catch {
      let message = (error as? HeraldError)?.message ?? "\(error)"
      return [.fail(check, "cannot be checked: \(message)", "Mend what the message says.")]
    }
  }

  private func server() async throws -> [Finding] {
    guard let server = try await db.read({ try CheckupStore.server(in: $0) }) else { return [] }
    var findings: [Finding] = []
    if server.versionNumber < 150_000 {
      findings.append(
        .fail(
          "postgresql", "version \(server.version) is too old", "Use PostgreSQL 15 or newer."))
    } else {
      findings.append(.ok("postgresql", "version \(server.version) on \(server.address)"))
    }
    if server.encoding != "UTF8" {
      findings.append(
        .fail(
          "encoding", "the database is encoded in \(server.encoding)",
          "Make a database with ENCODING 'UTF8' and move over with `herald backup` and `herald restore`."
        ))
    }
    if ["C", "C.UTF-8", "C.utf8", "POSIX"].contains(server.collation) {
      findings.append(.ok("collation", server.collation))
    } else {
      findings.append(
        .warn(
          "collation", "the database collates \(server.collation), which system updates can change",
          "Make the database with LOCALE 'C.UTF-8' TEMPLATE template0, or REINDEX after each update of the system's C library."
        ))
    }
    findings.append(
      server.timeZone == "UTC" || server.timeZone == "Etc/UTC"
        ? .ok("time zone", "UTC")
        : .ok("time zone", "\(server.timeZone) by default; Herald's own sessions use UTC"))
    findings.append(Self.durability(server))
    return findings
  }

  private static func durability(_ server: CheckupStore.Server) -> Finding {
    if server.fsync == "off" || server.fullPageWrites == "off" {
      return .fail(
        "durability",
        "fsync is \(server.fsync), full_page_writes is \(server.fullPageWrites): a power cut can destroy the database",
        "Set fsync = on and full_page_writes = on in postgresql.conf and reload it.")
    }
    if server.synchronousCommit == "off" {
      return .fail(
        "durability",
        "synchronous_commit is off: what Herald has answered for can be lost in a crash",
        "Set synchronous_commit = on for Herald's role or database.")
    }
    return .ok("durability", "fsync and synchronous commits are on")
  }

  private func schema() async throws -> Finding {
    switch try await HeraldSchema.status(db.pool) {
    case .current: .ok("schema", "current (\(HeraldSchema.migrations.last?.version ?? 0))")
    case .pending(let pending):
      .fail(
        "schema", "\(pending.count) migrations are to be done",
        "Run `herald migrate` with HERALD_MIGRATE_DATABASE_URL set to the owner's connection.")
    case .newer(let version):
      .fail(
        "schema", "is version \(version), newer than this program",
        "Start the newer Herald instead."
      )
    case .altered(let migration):
      .fail(
        "schema", "migration \(migration.version) (\(migration.name)) is not this program's",
        "Use the build of Herald that made this database.")
    }
  }

  private func clock() async throws -> Finding {
    var least = Double.infinity
    for _ in 0..<3 {
      let began = Date()
      guard let theirs = try await db.read({ try CheckupStore.clock(in: $0) }) else { break }
      let ended = Date()
      let middle = began.addingTimeInterval(ended.timeIntervalSince(began) / 2)
      least = min(least, abs(theirs.timeIntervalSince(middle)))
    }
    let shown = "\((least * 1000).rounded() / 1000) s"
    let remedy = "Synchronise the clocks of both machines (chrony, systemd-timesyncd)."
    if least > 30 { return .fail("clock", "PostgreSQL's clock is \(shown) off this one", remedy) }
    if least > 1 { return .warn("clock", "PostgreSQL's clock is \(shown) off this one", remedy) }
    return .ok("clock", "within \(shown) of PostgreSQL's")
  }

  private func role() async throws -> [Finding] {
    guard let rights = try await db.read({ try CheckupStore.rights(in: $0) }) else { return [] }
    var findings: [Finding] = []
    let remedy =
      "Let HERALD_DATABASE_URL connect as a role herald_app that owns nothing, name the owner in HERALD_MIGRATE_DATABASE_URL, and run `herald migrate`, which grants it what it needs."
    if !rights.missing.isEmpty || !rights.canMakePartitions {
      let tables = rights.missing.prefix(5).joined(separator: ", ")
      findings.append(
        .fail(
          "role",
          "\(rights.role) lacks rights on \(tables.isEmpty ? "herald_make_partition" : tables)",
          "Run `herald migrate` as the owner: it grants role herald_app what it needs."))
    }
    if rights.isSuperuser || rights.canCreate || rights.ownsTables {
      let why =
        rights.isSuperuser
        ? "is a superuser" : rights.ownsTables ? "owns the tables" : "may create tables"
      findings.append(.warn("role", "\(rights.role) \(why)", remedy))
    } else if rights.canRewriteAudit {
      findings.append(.warn("role", "\(rights.role) may change or delete audit entries", remedy))
    }
    return findings.isEmpty
      ? [.ok("role", "\(rights.role) may do what it must and nothing else")] : findings
  }

  private func adminKeys(_ now: Date) async throws -> Finding {
    let count = try await db.read { try CheckupStore.adminKeys(now: now, in: $0) }
    return count > 0
      ? .ok("keys", "\(count) admin \(count == 1 ? "key" : "keys") in force")
      : .warn(
        "keys", "there is no admin key in force",
        "Run `herald keys create --role admin --principal YOU --name recovery`.")
  }

  private func partitions(_ now: Date) async throws -> [Finding] {
    let (months, strays) = try await db.read { db in
      (try MetricsStore.monthsAhead(now: now, in: db), try MetricsStore.strays(in: db))
    }
    let remedy =
      "A running `herald serve` with role worker makes them every hour; look into its log."
    var findings: [Finding] = []
    if let least = months.min(by: { $0.months < $1.months }) {
      findings.append(
        least.months < 2
          ? .warn(
            "partitions", "\(least.table) has \(least.months) months from this one on", remedy)
          : .ok("partitions", "\(least.months) months from this one on"))
    }
    // A few events always do: clocks of clients are wrong by years.
    let many = strays.filter { $0.count > 0 && ($0.table != "events" || $0.count >= 1000) }
    if !many.isEmpty {
      let names = many.map { "\($0.table) \($0.count)" }.joined(separator: ", ")
      findings.append(
        .warn(
          "partitions", "rows lie outside every month (\(names); at most 1000 are counted)", remedy)
      )
    }
    return findings
  }

  private func audit() async throws -> Finding {
    let verification = try await audits.verify()
    guard verification.valid else {
      let entry = verification.firstBad.map { " (entry \($0))" } ?? ""
      return .fail(
        "audit", "the chain does not verify\(entry): \(verification.reason ?? "")",
        "Somebody changed the audit table, or no worker has sealed it for long: compare with a backup, and keep this database as evidence."
      )
    }
    return .ok("audit", "\(verification.sealed) entries verify")
  }

  private func accounting(_ now: Date) async throws -> Finding {
    let plans = try await db.read { try CheckupStore.plansWithRuns(in: $0) }
    var wrong: [String] = []
    for plan in plans {
      let books = try await reports.accounting(plan, for: .herald, now: now)
      wrong += books.imbalances.map { "plan \(plan), \($0)" }
    }
    guard let first = wrong.first else {
      return .ok("accounting", "\(plans.count) plans balance")
    }
    let more = wrong.count > 1 ? " (and \(wrong.count - 1) more)" : ""
    return .fail(
      "accounting", first + more,
      "Please report it with the output of `herald doctor --json`; `GET /v1/plans/{key}/accounting` shows the figures."
    )
  }

  private func ledger() async throws -> [Finding] {
    let found = try await db.pool.snapshot(timeout: Self.patience) {
      try CheckupStore.contradictions(in: $0)
    }
    guard let found else { return [] }
    let faults = [
      (found.pendingWithoutQueue, "deliveries are pending without a queue row"),
      (found.queuedWithoutDelivery, "queue rows have no delivery"),
      (found.queuedThoughSettled, "queue rows belong to settled deliveries"),
      (found.activeWithoutQueue, "people are active with nothing queued"),
    ].filter { $0.0 > 0 }
    let remedy = "Please report it with the output of `herald doctor --json`."
    return faults.isEmpty
      ? [.ok("ledger", "queue, deliveries and enrolments agree")]
      : faults.map { .fail("ledger", "\($0.0) \($0.1)", remedy) }
  }

  private func dispatch(_ now: Date) async throws -> [Finding] {
    let (queue, stops, pauses) = try await db.read { db in
      (
        try MetricsStore.queue(now: now, in: db), try StopStore.list(in: db),
        try PlanGuardStore.open(in: db)
      )
    }
    var findings = stops.map { stop -> Finding in
      let restored = Restorations.isRestoration(by: stop.by, reason: stop.reason)
      return .warn(
        "stops",
        "\(stop.scope) is stopped by \(stop.by)\(stop.reason.map { ": \($0)" } ?? "")",
        restored
          ? "Look at what may go out twice, then run `herald resume --after-restore`."
          : "`POST /v1/start` lifts it.")
    }
    findings += pauses.map { stored -> Finding in
      .warn(
        "plan \(stored.plan)",
        "was paused by Herald at \(stored.at.rfc3339): \(stored.pause.detail)",
        stored.pause.reason == .audienceGrowth
          ? "Look at its audience; somebody who may approve it agrees with `POST /v1/plans/\(stored.plan)/resume`, or submit a new version."
          : "Look at its deliveries, then `POST /v1/plans/\(stored.plan)/resume` or cancel it.")
    }
    let overdue = Int(queue.oldestSeconds)
    let isStopped = stops.contains { $0.scope == "all" }
    if overdue > 120, !isStopped {
      findings.append(
        .warn(
          "queue", "the oldest due delivery has waited \(overdue) s",
          "Look whether a `herald serve` with role worker runs and whether senders are paused or slow (`GET /v1/senders`)."
        ))
    } else {
      findings.append(
        .ok("queue", "\(queue.depth) waiting, \(queue.due) due, \(queue.inFlight) in flight"))
    }
    if queue.orphaned > 0 {
      findings.append(
        .warn(
          "leases", "\(queue.orphaned) deliveries were left by a worker that vanished",
          "Any running worker takes them over within half a minute; start one if none runs."))
    }
    return findings
  }

  private func jobs(_ now: Date) async throws -> Finding {
    let stuck = try await db.read { try CheckupStore.stuckJobs(now: now, in: $0) }
    return stuck.isEmpty
      ? .ok("jobs", "none is stuck")
      : .warn(
        "jobs", "stuck: \(stuck.joined(separator: ", "))",
        "Start a `herald serve` with role worker, which goes on with them; finish or cancel uploads that were given up."
      )
  }
}
