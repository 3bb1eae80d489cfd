import Cryptography
import Foundation
import HTTP
import Herald
import HeraldChannels
import Logging
import Postgres

/// The database and the application of one command, opened and closed in order.
struct Installation: Sendable {
  let application: Application
  let configuration: Configuration
  let now: @Sendable () -> Date
  private let cluster: EmbeddedCluster?
  private let client: HTTPClient

  struct Refusal: Error, CustomStringConvertible {
    let description: String
  }

  /// `role`: whether this is the serving process of the data directory or a command beside it.
  /// `now`: the business clock.
  static func open(
    _ configuration: Configuration, role: EmbeddedCluster.Role,
    now: @escaping @Sendable () -> Date = { Date() }, logger: Logger
  ) async throws -> Installation {
    let cluster: EmbeddedCluster?
    let appURL: String
    if let url = configuration.databaseURL {
      cluster = nil
      appURL = url
    } else {
      let opened = try await EmbeddedCluster.open(
        dataDirectory: configuration.dataDirectory, role: role, logger: logger)
      cluster = opened
      appURL = opened.appURL
    }
    do {
      if let cluster { try await migrate(cluster.ownerURL, logger) }
      let pool = Pool(
        PoolConfiguration(
          url: appURL, size: configuration.poolSize, applicationName: "herald"), logger: logger)
      if cluster == nil { try await requireCurrent(pool) }
      let client = HTTPClient(
        ClientConfiguration(allowPrivateAddresses: configuration.allowPrivateEndpoints),
        logger: logger)
      var dispatch = DispatchSettings()
      dispatch.workers = configuration.workers
      dispatch.leaseSeconds = configuration.leaseSeconds
      var tracking = TrackingLimits()
      tracking.batchBytes = configuration.trackingBatchKB << 10
      tracking.messageBytes = configuration.trackingMessageKB << 10
      let application = Application(
        pool: pool,
        registry: .standard(
          client: client, allowPrivate: configuration.allowPrivateEndpoints,
          dataDirectory: URL(fileURLWithPath: configuration.dataDirectory)),
        secrets: try configuration.secretsKey ?? storedSecretsKey(configuration.dataDirectory),
        outbound: { await client.send($0) }, allowPrivate: configuration.allowPrivateEndpoints,
        dispatch: dispatch, tracking: tracking,
        handovers: URL(fileURLWithPath: configuration.dataDirectory),
        publicURL: configuration.publicURL,
        now: now, logger: logger)
      return Installation(
        application: application, configuration: configuration, now: now, cluster: cluster,
        client: client)
    } catch {
      await cluster?.close()
      throw error
    }
  }

  /// For looking only: nothing is migrated, made or refused.
  static func look(_ configuration: Configuration, logger: Logger) async throws -> Installation {
    let cluster =
      configuration.databaseURL == nil
      ? try await EmbeddedCluster.open(
        dataDirectory: configuration.dataDirectory, role: .command, logger: logger) : nil
    let pool = Pool(
      PoolConfiguration(
        url: configuration.databaseURL ?? cluster?.appURL ?? "", size: 2,
        applicationName: "herald doctor"), logger: logger)
    let client = HTTPClient(logger: logger)
    let stored = try? String(
      contentsOfFile: configuration.dataDirectory + "/secrets.key", encoding: .utf8)
    let key = stored.flatMap {
      SecretsKey(text: $0.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    let application = Application(
      pool: pool,
      registry: .standard(
        client: client, allowPrivate: configuration.allowPrivateEndpoints,
        dataDirectory: URL(fileURLWithPath: configuration.dataDirectory)),
      secrets: configuration.secretsKey ?? key ?? .random(), logger: logger)
    return Installation(
      application: application, configuration: configuration, now: { Date() }, cluster: cluster,
      client: client)
  }

  func close() async {
    await client.shutdown()
    await application.close()
    await cluster?.close()
  }

  static func migrate(_ url: String, _ logger: Logger) async throws {
    let pool = Pool(
      PoolConfiguration(url: url, size: 1, applicationName: "herald migrate"), logger: logger)
    do {
      try await HeraldSchema.migrate(pool) { migration in
        logger.info("migrated", metadata: ["to": "\(migration.version) \(migration.name)"])
      }
    } catch {
      await pool.close()
      throw refusal(error, "HERALD_MIGRATE_DATABASE_URL")
    }
    await pool.close()
  }

  /// Says what to do about a PostgreSQL that does not answer; other errors stay as they are.
  private static func refusal(_ error: any Error, _ setting: String) -> any Error {
    guard let error = error as? PostgresError, error.isUnavailable else { return error }
    return Refusal(
      description: """
        PostgreSQL cannot be used: \(error.message)
        Start it, or correct \(setting); without HERALD_DATABASE_URL `herald serve` keeps a \
        PostgreSQL of its own.
        """)
  }

  private static func requireCurrent(_ pool: Pool) async throws {
    let status: MigrationStatus
    do {
      status = try await HeraldSchema.status(pool)
    } catch {
      throw refusal(error, "HERALD_DATABASE_URL")
    }
    switch status {
    case .current: return
    case .pending:
      throw Refusal(
        description: """
          The database is not at this version's schema. Run `herald migrate` with \
          HERALD_MIGRATE_DATABASE_URL set to the owner's connection, then start again.
          """)
    case .newer(let version):
      throw Refusal(
        description: """
          The database has schema \(version), which is newer than this program. Start the newer \
          Herald instead.
          """)
    case .altered(let migration):
      throw Refusal(
        description: """
          Migration \(migration.version) (\(migration.name)) of the database is not this program's. \
          This database belongs to another build.
          """)
    }
  }

  /// The key of sealed secrets, made once and kept beside the data when none is configured.
  private static func storedSecretsKey(_ directory: String) throws -> SecretsKey {
    let path = directory + "/secrets.key"
    if let text = try? String(contentsOfFile: path, encoding: .utf8),
      let key = SecretsKey(text: text.trimmingCharacters(in: .whitespacesAndNewlines))
    {
      return key
    }
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    let text = Hex.encode(randomBytes(32))
    guard
      FileManager.default.createFile(
        atPath: path, contents: Data((text + "\n").utf8), attributes: [.posixPermissions: 0o600]),
      let key = SecretsKey(text: text)
    else {
      throw Refusal(description: "Cannot write \(path); set HERALD_SECRETS_KEY instead.")
    }
    return key
  }
}
