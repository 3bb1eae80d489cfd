import Foundation
import HeraldTesting
import Logging
import Postgres
import Synchronization

let silent = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }

var database: TestDatabase { TestDatabase.current }

/// Waits until the condition holds; the caller's expectation fails if it never does.
func eventually(
  within limit: Duration = .seconds(120), _ condition: () async throws -> Bool
) async throws -> Bool {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if try await condition() { return true }
    try await Task.sleep(for: .milliseconds(2))
  }
  return try await condition()
}

final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock { $0 } }
  func increment() { count.withLock { $0 += 1 } }
}

final class Journal<Entry: Sendable>: Sendable {
  private let written = Mutex<[Entry]>([])

  var entries: [Entry] { written.withLock { $0 } }
  func append(_ entry: Entry) { written.withLock { $0.append(entry) } }
}

/// A gate that bodies on connection threads can block on.
final class Gate: Sendable {
  private let semaphore = DispatchSemaphore(value: 0)

  func open(times: Int = 1) { for _ in 0..<times { semaphore.signal() } }
  /// Gives up after a while, so that a failing test ends.
  func pass() { _ = semaphore.wait(timeout: .now() + 20) }
}

/// The kind of the PostgresError that the operation throws, `nil` when it throws none.
func failure<T>(_ operation: () async throws -> T) async -> PostgresError? {
  do {
    _ = try await operation()
    return nil
  } catch let error as PostgresError {
    return error
  } catch {
    return PostgresError(kind: .server, message: "not a PostgresError: \(error)")
  }
}
