import ArgumentParser
import Foundation
import Logging

/// `herald demo`
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Run a campaign on real purchases from import to accounting, and check it.",
    discussion: """
      Starts a Herald and a stand-in gateway of its own in a temporary directory, does what \
      operators and approvers would do over the HTTP API, prints what comes of it, checks it against \
      independent counts, and removes everything again. Nothing leaves this machine.

      Example: herald demo
      """)

  @Flag(
    help: """
      All 23,570 customers instead of the built-in tenth; reads cdnow/transactions.csv.gz in the data \
      directory under HERALD_SHARED (../shared).
      """)
  var full = false

  func run() async throws {
    Logs.bootstrap(level: "warning", format: .text)
    let terminal = Terminal()
    let herald = ThrowAwayHerald(logger: Logger(label: "herald"))
    let data = full ? DemoData.full() : .sample
    guard let data else {
      throw ValidationError(
        "The full file is not there; set HERALD_SHARED to the directory with data/cdnow in it.")
    }
    let result: Result<Bool?, any Error>
    do {
      let passed = try await Interruption.watch {
        try await Demo.run(data, on: herald, terminal)
      }
      result = .success(passed)
    } catch {
      result = .failure(error)
    }
    terminal.endProgress()
    await herald.end()
    guard let passed = try result.get() else {
      terminal.say("Interrupted; everything is removed.")
      throw ExitCode(130)
    }
    guard passed else { throw ExitCode(1) }
  }
}

/// A file of purchases.
struct DemoData: Sendable {
  /// Of the plain file.
  let name: String
  let gzip: [UInt8]

  static let sample = DemoData(
    name: "transactions_sample.csv", gzip: PackageResources.transactions_sample_csv_gz)

  /// Nil when the file is not on this machine.
  static func full(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> DemoData? {
    let shared = environment["HERALD_SHARED"] ?? "../shared"
    for place in ["data/cdnow", "cdnow"] {
      let path = "\(shared)/\(place)/transactions.csv.gz"
      guard let data = FileManager.default.contents(atPath: path) else { continue }
      return DemoData(name: "transactions.csv", gzip: Array(data))
    }
    return nil
  }
}
