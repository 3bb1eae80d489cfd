import Foundation
import Herald
import Logging
import Postgres

/// The database as its owner sees it, for backup and restoration.
struct OwnedDatabase: Sendable {
  let pool: Pool
  let programs: DatabasePrograms
  let name: String
  private let cluster: EmbeddedCluster?

  /// `role`: `.serve` keeps every `herald serve` of the data directory out.
  static func open(
    _ configuration: Configuration, role: EmbeddedCluster.Role, logger: Logger
  ) async throws -> OwnedDatabase {
    let cluster: EmbeddedCluster?
    let url: String
    if let given = configuration.databaseURL ?? configuration.migrateURL {
      cluster = nil
      url = configuration.migrateURL ?? given
    } else {
      let opened = try await EmbeddedCluster.open(
        dataDirectory: configuration.dataDirectory, role: role, logger: logger)
      cluster = opened
      url = opened.ownerURL
    }
    let pool = Pool(
      PoolConfiguration(
        url: url, size: 2, statementTimeout: .seconds(900), applicationName: "herald backup"),
      logger: logger)
    do {
      let server = try await pool.read { db in
        try db.one(
          """
          SELECT current_database()::text AS name,
            current_setting('server_version_num')::bigint / 10000 AS version
          """
        ).map {
          (name: try $0.get("name", as: String.self), version: try $0.get("version", as: Int.self))
        }
      }
      guard let server else { throw Sentence("PostgreSQL does not say which database this is.") }
      return OwnedDatabase(
        pool: pool, programs: try await .find(for: url, serverVersion: server.version),
        name: server.name, cluster: cluster)
    } catch {
      await pool.close()
      await cluster?.close()
      throw error
    }
  }

  func close() async {
    await pool.close()
    await cluster?.close()
  }

  /// Tables in the schema that Herald uses.
  func tableCount() async throws -> Int {
    try await pool.read { db in
      try db.one(
        """
        SELECT count(*) AS n FROM pg_class
        WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p', 'v', 'm', 'S')
        """)?.get("n") ?? 0
    }
  }

  /// Sessions of running Heralds.
  func servingSessions() async throws -> Int {
    try await pool.read { db in
      try db.one(
        """
        SELECT count(*) AS n FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'herald'
          AND pid <> pg_backend_pid()
        """)?.get("n") ?? 0
    }
  }

  /// Empties the schema. There is no way back.
  func clear() async throws {
    try await pool.write { tx in
      try tx.execute("DROP SCHEMA IF EXISTS public CASCADE")
      try tx.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
      try tx.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
      // As it was made, or the next backup would hold the difference.
      try tx.execute("COMMENT ON SCHEMA public IS 'standard public schema'")
    }
  }
}
