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
  public let wake = Wake()
  /// Every endpoint; the router and the OpenAPI document are made from it.
  public let endpoints: [Endpoint]
  private let runner: EndpointRunner
  private let housekeeper: Housekeeper
  private let logger: Logger

  public static let version = "0.1.0"

  /// `now` is the business clock.
  public init(
    pool: Pool, registry: AdapterRegistry, secrets: SecretsKey,
    dispatch: DispatchSettings = DispatchSettings(),
    now: @escaping @Sendable () -> Date = { Date() }, logger: Logger
  ) {
    let db = Database(pool: pool)
    self.db = db
    self.logger = logger
    let settings: @Sendable () async throws -> ProjectSettings = { ProjectSettings() }
    keys = Keys(db: db)
    senders = Senders(db: db, registry: registry, secrets: secrets)
    audits = Audits(db: db)
    let idempotency = Idempotency(db: db)
    let segments = Segments(db: db, settings: settings)
    dispatcher = Dispatcher(
      db: db, senders: senders, settings: dispatch, projectSettings: settings, now: now,
      logger: logger)
    housekeeper = Housekeeper(
      db: db, audits: audits, idempotency: idempotency, segments: segments, now: now,
      logger: logger)
    runner = EndpointRunner(keys: keys, idempotency: idempotency, logger: logger, now: now)
    let events = Events(writer: EventWriter(db: db, logger: logger))
    let nouns =
      KeyRoutes.endpoints(keys) + AuditRoutes.endpoints(audits)
      + UserRoutes.endpoints(Users(db: db)) + TagRoutes.endpoints(Tags(db: db))
      + UserTagRoutes.endpoints(Tags(db: db)) + CouponRoutes.endpoints(Coupons(db: db))
      + ReportRoutes.endpoints(Reports(db: db))
      + EventRoutes.endpoints(events) + SegmentRoutes.endpoints(segments)
      + TemplateRoutes.endpoints(Templates(db: db)) + SenderRoutes.endpoints(senders)
      + ReceiptRoutes.endpoints(Receipts(db: db, senders: senders))
      + PlanRoutes.endpoints(Plans(db: db), Approvals(db: db))
      + ApprovalRoutes.endpoints(Approvals(db: db))
    let document = OpenAPI.Published()
    endpoints = SystemRoutes.endpoints(db, document) + nouns
    document.publish(endpoints, components: Self.components)
  }

  /// The HTTP server over all endpoints, not yet started.
  public func server(_ configuration: ServerConfiguration) throws -> Server {
    Server(
      router: try Router(endpoints.map(runner.route)), configuration: configuration,
      logger: logger)
  }

  /// Dispatches and keeps house until the task is cancelled. For the role `worker`.
  public func work() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.dispatcher.run(wake: self.wake) }
      group.addTask { await self.housekeeper.run() }
    }
  }

  /// Lets go of adapters and connections. Nothing else may be running.
  public func close() async {
    await senders.shutdown()
    await db.pool.close()
  }

  private static var components: JSONObject {
    var all: JSONObject = [
      "Problem": OpenAPI.problem, "Condition": Condition.schema, "Key": KeyRoutes.key,
      "NewKey": KeyRoutes.newKey, "AuditEntry": AuditRoutes.entry,
      "AuditVerification": AuditRoutes.verification, "Tag": TagRoutes.tag,
    ]
    for components in [
      UserRoutes.components, EventRoutes.components, SegmentRoutes.components,
      TemplateRoutes.components, SenderRoutes.components, ReceiptRoutes.components,
      PlanRoutes.components, ApprovalRoutes.components, CouponRoutes.components,
      ReportRoutes.components, UserTagRoutes.components,
    ] {
      for (name, schema) in components { all[name] = schema }
    }
    return all
  }
}
