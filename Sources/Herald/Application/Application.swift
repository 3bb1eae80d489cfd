import Conditions
import Foundation
import HTTP
import JSON
import Logging
import Postgres

/// Herald put together: every use case, the table of all routes, the background work.
public final class Application: Sendable {
  public let db: Database
  public let keys: Keys
  public let senders: Senders
  public let dispatcher: Dispatcher
  public let audits: Audits
  /// Called when something may be due: an approval, a resumption.
  public let wake = Wake()
  /// Called when an event has made something due in the queue.
  private let due = Wake()
  /// Every endpoint; the router and the OpenAPI document are made from it.
  public let endpoints: [Endpoint]
  /// The OpenAPI document over all endpoints.
  public var openAPI: [UInt8] { document.bytes }
  public let restorations: Restorations
  /// To be closed when the server is to stop: its streams end by nothing else.
  public let liveFeeds: LiveFeeds
  public let checkup: Checkup
  private let document: OpenAPI.Published
  private let metrics: Metrics
  private let runner: EndpointRunner
  private let housekeeper: Housekeeper
  private let jobRunner: JobRunner
  private let historyMover: HistoryMover
  private let sourcePuller: SourcePuller
  private let logger: Logger

  public static let version = "0.1.0"

  /// `now` is the business clock; `handovers` the directory of the marks by which a restored
  /// database is recognised; `publicURL` where people reach this server, for links in messages;
  /// `outbound` fetches what is pulled, `allowPrivate` says whether it may go to private addresses.
  /// Connects to nothing yet.
  public init(
    pool: Pool, registry: AdapterRegistry, secrets: SecretsKey,
    outbound: @escaping @Sendable (ClientRequest) async -> ClientOutcome = { _ in
      .notSent(reason: "this program sends nothing out")
    }, allowPrivate: Bool = false,
    dispatch: DispatchSettings = DispatchSettings(), tracking: TrackingLimits = TrackingLimits(),
    handovers: URL? = nil, publicURL: String? = nil,
    now: @escaping @Sendable () -> Date = { Date() }, logger: Logger
  ) {
    let db = Database(pool: pool)
    self.db = db
    self.logger = logger
    let settings = Settings(db: db)
    let project: @Sendable () async throws -> ProjectSettings = { try await settings.current() }
    let segments = Segments(db: db, settings: project)
    let kinds = IdentityKinds(db: db, settings: project)
    let idempotency = Idempotency(db: db)
    let partitions = Partitions(db: db, settings: project, logger: logger)
    let catalogue = Catalogue(db: db)
    let jobsWake = Wake()
    let observers: [any EventObserver] = [
      CatalogueObserver(), TriggerMatching { [due] in due.call() },
    ]
    let writer = EventWriter(db: db, logger: logger, observers: observers)
    keys = Keys(db: db)
    senders = Senders(db: db, registry: registry, secrets: secrets)
    audits = Audits(db: db)
    let mark = HandoverMark(directory: handovers)
    let links = UnsubscribeLinks(publicURL: publicURL, secrets: secrets)
    dispatcher = Dispatcher(
      db: db, senders: senders, settings: dispatch, projectSettings: project, now: now,
      handovers: mark, links: links, logger: logger)
    liveFeeds = LiveFeeds(db: db, projectSettings: project, now: now)
    restorations = Restorations(db: db, mark: mark)
    metrics = Metrics(db: db, attempts: dispatcher.attempts)
    let erasures = Erasures(db: db)
    let reservations = CapReservations(db: db, settings: project)
    let violations = Violations(db: db)
    let jobs = Jobs(db: db, wake: jobsWake)
    jobRunner = JobRunner(
      db: db, observers: observers, partitions: partitions, logger: logger, wake: jobsWake,
      leaseSeconds: Double(dispatch.leaseSeconds), liveEvents: { writer.taken },
      form: { await kinds.form() }, now: now)
    let sourcesWake = Wake()
    let sources = Sources(
      db: db, secrets: secrets, events: EventIntake(observers: observers),
      allowPrivate: allowPrivate,
      wake: sourcesWake)
    let audits = audits
    let approvals = Approvals(
      db: db, settings: project, wake: wake, offersUnsubscribing: publicURL != nil)
    let guards = PlanGuards(db: db, settings: project)
    housekeeper = Housekeeper(
      chores: [
        Chore("audit seal", every: 1) { try await audits.seal() },
        Chore("erasures", every: 1) { try await erasures.advance(for: .seconds(5), now: now()) },
        Chore("catalogue", every: 1) { try await catalogue.fold(now: now()) },
        Chore("segment refreshes", every: 1) {
          try await segments.refreshDue(atMost: 20, now: now())
        },
        Chore("first statistics", every: 5) { try await partitions.analyzeNew() },
        Chore("reservations", every: 5) { try await reservations.advance(now: now()) },
        Chore("approvals", every: 5) {
          for reminder in try await approvals.follow(now: now()) { logger.notice("\(reminder)") }
        },
        Chore("guards of rates", every: 5) {
          for pause in try await guards.watchRates(now: now()) { logger.warning("\(pause)") }
        },
        Chore("guards of streams", every: 60) {
          for pause in try await guards.watchStreams(now: now()) { logger.warning("\(pause)") }
        },
        Chore("forgetting of minutes", every: 300) { try await guards.prune(now: now()) },
        Chore("rule tags", every: 60) { try await segments.refreshRuleTags(now: now()) },
        Chore("making of months", every: 300) { try await partitions.make(now: now()) },
        Chore("dropping of months", every: 300) { try await partitions.drop(now: now()) },
        Chore("forgetting of message ids", every: 300) {
          try await partitions.forgetMessages(now: now())
        },
        Chore("idempotency keys", every: 3600) { try await idempotency.prune(now: now()) },
        Chore("violations", every: 3600) { try await violations.prune(now: now()) },
        Chore("dead letters", every: 3600) { try await sources.pruneDeadLetters(now: now()) },
        Chore("old jobs", every: 3600) {
          try await jobs.prune(olderThan: project().retention.jobDays, now: now())
        },
      ], logger: logger)
    sourcePuller = SourcePuller(
      db: db, sources: sources, fetch: outbound, wake: sourcesWake, now: now, logger: logger,
      form: { await kinds.form() })
    runner = EndpointRunner(
      keys: keys, idempotency: idempotency, logger: logger, now: now,
      form: { await kinds.form() })
    historyMover = HistoryMover(db: db, logger: logger)

    let events = Events(writer: writer)
    document = OpenAPI.Published()
    let tags = Tags(db: db)
    let reports = Reports(db: db, settings: project, wake: wake)
    checkup = Checkup(db: db, audits: audits, reports: reports, senders: senders)
    endpoints = [
      SystemRoutes.endpoints(db, document),
      MetricsRoutes.endpoints(metrics, keys),
      UserRoutes.endpoints(Users(db: db, settings: project)),
      ErasureRoutes.endpoints(erasures),
      ConsentRoutes.endpoints(Consents(db: db)),
      DeviceRoutes.endpoints(Devices(db: db)),
      SuppressionRoutes.endpoints(Suppressions(db: db)),
      CatalogueRoutes.endpoints(catalogue),
      UnsubscribeRoutes.endpoints(Unsubscriptions(db: db, links: links)),
      MergeRoutes.endpoints(Merges(db: db)),
      IdentityConflictRoutes.endpoints(IdentityConflicts(db: db)),
      IdentityKindRoutes.endpoints(kinds),
      AttributeRoutes.endpoints(Attributes(db: db)),
      TagRoutes.endpoints(tags),
      UserTagRoutes.endpoints(tags),
      EventRoutes.endpoints(events),
      TrackingRoutes.endpoints(
        Tracking(events: events, violations: violations, limits: tracking)),
      ViolationRoutes.endpoints(violations),
      JobRoutes.endpoints(jobs),
      SourceRoutes.endpoints(sources),
      SegmentRoutes.endpoints(segments),
      TemplateRoutes.endpoints(Templates(db: db, links: links)),
      CouponRoutes.endpoints(Coupons(db: db)),
      SenderRoutes.endpoints(senders),
      ReceiptRoutes.endpoints(Receipts(db: db, senders: senders)),
      PlanRoutes.endpoints(Plans(db: db, wake: wake), approvals),
      PlanPackageRoutes.endpoints(PlanPackages(db: db)),
      ReadyPlanRoutes.endpoints(ReadyPlans(packages: PlanPackages(db: db))),
      TriggerRoutes.endpoints(
        Triggers(db: db, wake: wake), Scenes(db: db, wake: wake)),
      ReplayRoutes.endpoints(Replays(db: db, senders: senders, settings: project)),
      ApprovalRoutes.endpoints(approvals),
      LiveRoutes.endpoints(liveFeeds, keys, now: now),
      ReportRoutes.endpoints(reports),
      ExplainRoutes.endpoints(Explanations(db: db, segments: segments, settings: project)),
      CapRoutes.endpoints(Caps(db: db)), PlanPaceRoutes.endpoints(PlanPaces(db: db)),
      StopRoutes.endpoints(Stops(db: db, wake: wake)),
      SettingsRoutes.endpoints(settings),
      KeyRoutes.endpoints(keys),
      AuditRoutes.endpoints(audits),
    ].flatMap(\.self)
    document.publish(endpoints, components: Self.components)
  }

  /// The HTTP server over all endpoints, not yet started.
  public func server(_ configuration: ServerConfiguration) throws -> Server {
    var configuration = configuration
    configuration.corsPaths.formUnion(
      endpoints.lazy.filter(\.allowsAnyOrigin).flatMap(\.patterns))
    let log = configuration.accessLog
    configuration.accessLog = { [http = metrics.http] entry in
      http.record(entry)
      log?(entry)
    }
    let server = Server(
      router: try Router(endpoints.flatMap(runner.routes)), configuration: configuration,
      logger: logger)
    metrics.http.watch(server)
    return server
  }

  /// Dispatches, imports, pulls and keeps house until the task is cancelled. For the role `worker`.
  public func work() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.dispatcher.run(wake: self.wake, due: self.due) }
      group.addTask { await self.jobRunner.run() }
      group.addTask { await self.historyMover.run() }
      group.addTask { await self.sourcePuller.run() }
      group.addTask { await self.housekeeper.run() }
    }
  }

  /// Lets go of adapters and connections. Nothing else may be running.
  public func close() async {
    await senders.shutdown()
    await db.pool.close()
  }

  private static var components: JSONObject {
    var all: JSONObject = ["Problem": OpenAPI.problem, "Condition": Condition.schema]
    let nouns = [
      UserRoutes.components, ErasureRoutes.components, ConsentRoutes.components,
      MergeRoutes.components, IdentityConflictRoutes.components,
      IdentityKindRoutes.components, AttributeRoutes.components, DeviceRoutes.components,
      SuppressionRoutes.components, CatalogueRoutes.components, TagRoutes.components,
      UserTagRoutes.components, EventRoutes.components, TrackingRoutes.components,
      ViolationRoutes.components, JobRoutes.components, SourceRoutes.components,
      SegmentRoutes.components,
      TemplateRoutes.components, CouponRoutes.components, SenderRoutes.components,
      ReceiptRoutes.components, PlanRoutes.components, PlanPackageRoutes.components,
      ReadyPlanRoutes.components, TriggerRoutes.components, ReplayRoutes.components,
      ApprovalRoutes.components, LiveRoutes.components,
      ReportRoutes.components, ExplainRoutes.components, CapRoutes.components,
      PlanPaceRoutes.components,
      StopRoutes.components,
      SettingsRoutes.components, KeyRoutes.components, AuditRoutes.components,
    ]
    for (name, schema) in nouns.flatMap(\.members) { all[name] = schema }
    return all
  }
}
