import ArgumentParser
import Foundation
import HTTP
import JSON
import Synchronization

/// `herald watch`
struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Watch a plan while it runs.",
    discussion: """
      Draws a table that changes with what happens, or a line each time where the output is no \
      terminal. Ends when the plan is over, or with Ctrl-C, and changes nothing.

      Examples:
        herald watch winter-sale --key hk_…
        herald watch winter-sale --seconds 60 > watched.log

      Exit codes: 0 the plan is over or the time is, 1 it cannot be watched, 130 Ctrl-C.
      """)

  @Argument(help: "The key of the plan.") var plan: String
  @Option(help: "Where Herald is (HERALD_URL; http://127.0.0.1:8080).") var url: String?
  @Option(help: "A key of any role but ingest (HERALD_KEY).") var key: String?
  @Option(help: "End after so many seconds.") var seconds: Int?

  func validate() throws {
    guard plan.wholeMatch(of: /[a-z0-9_-]{1,64}/) != nil else {
      throw ValidationError("'\(plan)' is no key of a plan.")
    }
    if let seconds, seconds < 1 { throw ValidationError("--seconds takes 1 or more.") }
  }

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    Logs.bootstrap(level: "error", format: .text)
    guard let key = key ?? environment["HERALD_KEY"], !key.isEmpty else {
      throw ValidationError("A key is needed: --key, or HERALD_KEY in the environment.")
    }
    let url = try HeraldClient.address(url)
    let http = HeraldClient.connection()
    let client = HeraldClient(url: url, key: key, http: http)
    let watching = PlanWatching(
      client: client, plan: plan, terminal: Terminal(), seconds: seconds)
    let result: Result<Void?, any Error>
    do {
      result = .success(try await Interruption.watch { try await watching.run() })
    } catch {
      result = .failure(error)
    }
    await http.shutdown(grace: .zero)
    if try result.get() == nil { throw ExitCode(130) }
  }
}

/// Follows a plan's stream, again and again where it breaks off.
struct PlanWatching: Sendable {
  let client: HeraldClient
  let plan: String
  let terminal: Terminal
  let seconds: Int?

  /// How long a Herald that does not answer is waited for.
  static let patience = Duration.seconds(60)
  /// One stream; the server ends its own after an hour.
  private static let longest = 3000

  private struct Reading {
    var stream = EventStream()
    var end: String?
    var isHeard = false
  }

  /// Returns when the plan is over or the time is.
  func run() async throws {
    let began = ContinuousClock.now
    var silentSince = began
    var failure: HeraldClient.Unreachable?
    while true {
      let spent = Int((ContinuousClock.now - began).components.seconds)
      let left = seconds.map { $0 - spent } ?? Self.longest
      guard left > 0 else {
        if let failure { throw failure }
        return
      }
      let reading = Mutex(Reading())
      do {
        let path = "/v1/plans/\(plan)/live?seconds=\(min(left, Self.longest))"
        let answer = try await client.stream(path) { bytes in
          let events = reading.withLock { reading in
            reading.isHeard = true
            return reading.stream.take(bytes)
          }
          for event in events { show(event, reading) }
        }
        guard answer.status == 200 else {
          throw HeraldClient.Refusal(request: "GET /v1/plans/\(plan)/live", answer: answer)
        }
      } catch let error as HeraldClient.Unreachable {
        if reading.withLock(\.isHeard) { silentSince = .now }
        guard ContinuousClock.now - silentSince < Self.patience else { throw error }
        failure = error
        terminal.endFrame()
        terminal.say("\(error.description) Trying again.")
      }
      switch reading.withLock(\.end) {
      case "over":
        terminal.endFrame()
        return terminal.say("The plan is over.")
      case "revoked": throw Sentence("The key is no longer good.")
      default: break
      }
      if reading.withLock(\.isHeard) {
        silentSince = .now
        failure = nil
      }
      try await Task.sleep(for: .seconds(1))
    }
  }

  private func show(_ event: EventStream.Event, _ reading: borrowing Mutex<Reading>) {
    guard let data = try? JSONScanner.parse(Array(event.data.utf8)) else { return }
    switch event.name {
    case "live":
      let table = LiveTable(live: data)
      if terminal.isInteractive { terminal.frame(table.lines) } else { terminal.say(table.line) }
    case "end": reading.withLock { $0.end = data["reason"]?.stringValue }
    default: break
    }
  }
}
