import Foundation
import Herald
import JSON
import Synchronization

/// The business clock of a test that lets months pass: an instant in the first line of a file that is
/// replaced whole whenever time goes on. Leases do not follow it, they go by PostgreSQL's clock.
///
/// `herald serve` takes it only with a flag of its own beside the variable, so that no environment
/// moves the clock of an installation by accident.
final class TestClock: Sendable {
  static let variable = "HERALD_TEST_CLOCK"

  private let path: String
  /// While the file cannot be read, time stands still.
  private let last: Mutex<Date>

  /// Throws when there is no instant in the file.
  init(path: String) throws {
    guard let instant = Self.read(path) else {
      throw Installation.Refusal(
        description: "\(Self.variable) must name a file with an instant in it; '\(path)' is none.")
    }
    self.path = path
    last = Mutex(instant)
  }

  /// Nil without the variable. Throws when only one of the variable and the flag is given.
  static func open(
    isAllowed: Bool, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> TestClock? {
    let path = environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    switch (path, isAllowed) {
    case (nil, false): return nil
    case (let path?, true): return try TestClock(path: path)
    case (_?, false):
      throw Installation.Refusal(
        description: """
          \(variable) moves the clock by which people get messages and is for tests only. Unset it; \
          a test that means it starts `herald serve --test-clock`.
          """)
    case (nil, true):
      throw Installation.Refusal(
        description: "--test-clock is for tests only and needs \(variable).")
    }
  }

  /// Read anew each time: what the test has written holds from then on, in every process.
  var now: Date {
    let read = Self.read(path)
    return last.withLock { last in
      if let read { last = read }
      return last
    }
  }

  /// Calls `changed` whenever the file's text is another one, until the task is cancelled. A test
  /// that wants workers to look again at the same instant changes what follows the first line.
  func follow(_ changed: @Sendable () -> Void) async {
    var seen = Self.text(path)
    while !Task.isCancelled {
      let current = Self.text(path)
      if current != seen { changed() }
      seen = current
      try? await Task.sleep(for: .milliseconds(5))
    }
  }

  private static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }

  private static func read(_ path: String) -> Date? {
    text(path)?.split(separator: "\n").first.flatMap { Date(rfc3339: String($0)) }
  }
}
