import Foundation

/// Work that a signal may end early.
enum Interruption {
  /// One for the process; heard from the first `watch` on.
  private static let signals = SignalWait()

  /// What `work` returns, or nil when SIGINT or SIGTERM came first; it is cancelled then, and has
  /// ended when this returns.
  static func watch<Value: Sendable>(
    _ work: @escaping @Sendable () async throws -> Value
  ) async throws -> Value? {
    let signals = signals
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await work() }
      group.addTask {
        while await !signals.wait(for: .milliseconds(100)) {
          try Task.checkCancellation()
        }
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
  }
}
