import ArgumentParser
import Foundation
import Herald
import Logging

/// `herald resume`
struct ResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Let dispatch go on after the database was restored.",
    discussion: """
      A database found to be a restored one is stopped, because it does not know what was handed \
      over since its backup. Once you have looked at the deliveries flagged possibly_duplicate and \
      paused or cancelled the plans that must not go out again, this lifts the stop. Other stops are \
      lifted with POST /v1/start.

      Example:
        herald resume --after-restore
      """)

  @Flag(help: "Say that you know what may go out twice.") var afterRestore = false
  @Option(help: "Where the private database is (HERALD_DATA_DIR).") var dataDir: String?
  @Option(help: "A file of NAME=value lines (HERALD_CONFIG).") var config: String?

  func run() async throws {
    guard afterRestore else {
      throw ValidationError(
        "Say --after-restore when you have looked at what may go out twice (see --help).")
    }
    let configuration = try Configuration(
      flags: ["HERALD_DATA_DIR": dataDir, "HERALD_CONFIG": config].compactMapValues { $0 })
    Logs.bootstrap(level: "warning", format: configuration.logFormat)
    let installation = try await Installation.open(
      configuration, role: .command, logger: Logger(label: "herald"))
    do {
      switch try await installation.application.restorations.resume(now: Date()) {
      case .resumed: print("Dispatch goes on.")
      case .resumedOver(let former):
        print(
          "Dispatch goes on. Note: \(former). Stop it again if that still holds: POST /v1/stop.")
      case .notStopped: print("Nothing is stopped by a restoration.")
      }
    } catch {
      await installation.close()
      throw error
    }
    await installation.close()
  }
}
