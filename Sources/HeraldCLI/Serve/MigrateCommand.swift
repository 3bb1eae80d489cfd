import ArgumentParser
import Foundation
import Herald
import Logging

/// `herald migrate`
struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Bring a database to this version's schema.",
    discussion: """
      Uses HERALD_MIGRATE_DATABASE_URL (the owner of the tables), else HERALD_DATABASE_URL. The \
      private database of `herald serve` is migrated by itself.
      """)

  @Option(help: "The owner's connection (HERALD_MIGRATE_DATABASE_URL).") var databaseUrl: String?

  func run() async throws {
    let configuration = try Configuration(
      flags: ["HERALD_MIGRATE_DATABASE_URL": databaseUrl].compactMapValues { $0 })
    Logs.bootstrap(level: configuration.logLevel, format: configuration.logFormat)
    let logger = Logger(label: "herald")
    guard let url = configuration.migrateURL ?? configuration.databaseURL else {
      throw Installation.Refusal(
        description: "Set HERALD_MIGRATE_DATABASE_URL to the owner's connection of the database.")
    }
    try await Installation.migrate(url, logger)
    print("The schema is current.")
  }
}
