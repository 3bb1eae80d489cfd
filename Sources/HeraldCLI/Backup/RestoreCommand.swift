import ArgumentParser
import Foundation
import Glibc
import Herald
import Logging
import Postgres

/// `herald restore`
struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Fill a database from a file of `herald backup`.",
    discussion: """
      The database must be empty; --force empties it first. No `herald serve` may be running on it. \
      A backup of an older version is brought to this version's schema.

      The restored database does not know what was handed over after the backup was made. It starts \
      stopped, and every delivery that may go out a second time is flagged `possibly_duplicate`: \
      those pending at the backup, and those that begin later in runs that were under way or due \
      then. Look at them, then run `herald resume --after-restore`.

      Examples:
        herald restore /backups/herald-2026-11-22.dump
        herald restore --force /backups/herald-2026-11-22.dump
      """)

  @Argument(help: "The file to read.") var file: String
  @Flag(help: "Delete what the database holds.") var force = false
  @Option(help: "Where the private database is (HERALD_DATA_DIR).") var dataDir: String?
  @Option(help: "A file of NAME=value lines (HERALD_CONFIG).") var config: String?

  func run() async throws {
    let configuration = try Configuration(
      flags: ["HERALD_DATA_DIR": dataDir, "HERALD_CONFIG": config].compactMapValues { $0 })
    Logs.bootstrap(level: "warning", format: configuration.logFormat)
    let path = URL(fileURLWithPath: file).path
    guard access(path, R_OK) == 0 else {
      throw Sentence("\(path) cannot be read: \(String(cString: strerror(errno))).")
    }
    let database = try await OwnedDatabase.open(
      configuration, role: .serve, logger: Logger(label: "herald"))
    let flagged: Int
    do {
      flagged = try await restore(path, into: database, configuration)
    } catch {
      await database.close()
      throw error
    }
    await database.close()
    print(
      """
      Restored into \(database.name). Dispatch is stopped; \(flagged) deliveries that wait may have \
      been handed over after the backup and are flagged possibly_duplicate, as will be those that \
      runs under way begin from now on. Start `herald serve`, look at them, then run:

        herald resume --after-restore
      """)
  }

  private func restore(
    _ path: String, into database: OwnedDatabase, _ configuration: Configuration
  ) async throws -> Int {
    let contents = try await database.programs.run(
      "pg_restore", ["--list", "--table=schema_migrations", path])
    guard contents.contains("TABLE public schema_migrations") else {
      throw Sentence("\(path) is no backup of Herald. Nothing was changed.")
    }
    guard try await database.servingSessions() == 0 else {
      throw Sentence("A `herald serve` is running on \(database.name). Stop it first.")
    }
    if try await database.tableCount() > 0 {
      guard force else {
        throw Sentence(
          """
          \(database.name) is not empty. Restore into another database, or with --force, which \
          deletes what it holds. Nothing was changed.
          """)
      }
      try await database.clear()
    }
    try await database.programs.run(
      "pg_restore",
      [
        "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
        "--dbname=\(database.name)", path,
      ])
    try await HeraldSchema.migrate(database.pool)
    let mark = HandoverMark(directory: URL(fileURLWithPath: configuration.dataDirectory))
    let restorations = Restorations(db: Database(pool: database.pool), mark: mark)
    try await restorations.adoptAudit()
    return try await restorations.begin(now: Date())
  }
}
