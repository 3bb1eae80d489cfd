import ArgumentParser
import Foundation
import Glibc
import Herald
import Logging

/// `herald backup`
struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Write the whole database to one file.",
    discussion: """
      Uses pg_dump (custom format, compressed) on the private database, or on the one of \
      HERALD_MIGRATE_DATABASE_URL or HERALD_DATABASE_URL. Herald may go on serving. The file holds \
      personal data and only its owner may read it. The key that senders' secrets are sealed with is \
      not in it: keep HERALD_SECRETS_KEY, or secrets.key of the data directory, in another place.

      Examples:
        herald backup /backups/herald-$(date +%F).dump
        herald restore /backups/herald-2026-11-22.dump
      """)

  @Argument(help: "The file to write; it must not exist yet.") var file: String
  @Option(help: "Where the private database is (HERALD_DATA_DIR).") var dataDir: String?
  @Option(help: "A file of NAME=value lines (HERALD_CONFIG).") var config: String?

  func run() async throws {
    let configuration = try Configuration(
      flags: ["HERALD_DATA_DIR": dataDir, "HERALD_CONFIG": config].compactMapValues { $0 })
    Logs.bootstrap(level: "warning", format: configuration.logFormat)
    let path = URL(fileURLWithPath: file).path
    let draft = path + ".part"
    try Self.create(draft, for: path)
    defer { unlink(draft) }
    let began = ContinuousClock.now
    let database = try await OwnedDatabase.open(
      configuration, role: .command, logger: Logger(label: "herald"))
    do {
      try await database.programs.run(
        "pg_dump", ["--format=custom", "--no-owner", "--no-privileges", "--file=\(draft)"])
    } catch {
      await database.close()
      throw error
    }
    await database.close()
    // A link fails when somebody has made the file meanwhile; a rename would replace it.
    guard link(draft, path) == 0 else { throw Self.refusal(path) }
    let bytes = (try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? Int ?? 0
    let seconds = (ContinuousClock.now - began).components.seconds
    print("\(path): \(bytes) bytes in \(seconds) s. Restore it with `herald restore`.")
    if configuration.secretsKey == nil {
      print("Keep \(configuration.dataDirectory)/secrets.key too, in another place.")
    }
  }

  /// The draft, readable by its owner only.
  private static func create(_ draft: String, for path: String) throws {
    guard access(path, F_OK) != 0 else {
      throw Sentence("\(path) exists already. Choose another name, or move it away.")
    }
    unlink(draft)
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw refusal(path) }
    Glibc.close(descriptor)
  }

  private static func refusal(_ path: String) -> Sentence {
    Sentence("\(path) cannot be written: \(String(cString: strerror(errno))).")
  }
}
