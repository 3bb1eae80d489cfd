import ArgumentParser
import Foundation
import Herald
import Logging

/// `herald keys`
struct KeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "Make API keys on this machine.",
    subcommands: [Create.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Mint a key and print it once.",
      discussion: """
        Example: herald keys create --role operator --principal li.lei --name ci
        Also the way back in when the last admin key is lost.
        """)

    @Option(help: "admin, operator, approver, ingest or analyst.") var role: String
    @Option(help: "The person or system behind the key.") var principal: String
    @Option(help: "What the key is for.") var name: String
    @Option(help: "Where the private database is (HERALD_DATA_DIR).") var dataDir: String?

    func run() async throws {
      guard let role = Role(rawValue: role) else {
        throw ValidationError("--role takes admin, operator, approver, ingest or analyst.")
      }
      let configuration = try Configuration(
        flags: ["HERALD_DATA_DIR": dataDir].compactMapValues { $0 })
      Logs.bootstrap(level: "warning", format: configuration.logFormat)
      let installation = try await Installation.open(
        configuration, role: .command, logger: Logger(label: "herald"))
      do {
        let (_, secret) = try await installation.application.keys.create(
          NewKey(name: name, role: role, principal: principal), by: .herald, now: Date())
        print(secret)
      } catch {
        await installation.close()
        throw error
      }
      await installation.close()
    }
  }
}
