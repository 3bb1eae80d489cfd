import Logging
import Postgres

/// A small regular work, such as sealing the audit or forgetting old keys. Any number of processes
/// may do it beside each other.
struct Chore: Sendable {
  let name: String
  /// Seconds from one time to the next.
  let every: Int
  let work: @Sendable () async throws -> Void

  init(_ name: String, every: Int, _ work: @escaping @Sendable () async throws -> some Any) {
    self.name = name
    self.every = every
    self.work = { _ = try await work() }
  }
}

/// Does the chores, one after the other, until the task is cancelled. One that fails is tried again
/// when it is due next.
struct Housekeeper: Sendable {
  let chores: [Chore]
  let logger: Logger

  func run() async {
    var turn = 0
    while !Task.isCancelled {
      for chore in chores where turn % chore.every == 0 { await attempt(chore) }
      turn += 1
      try? await Task.sleep(for: .seconds(1))
    }
  }

  private func attempt(_ chore: Chore) async {
    do {
      try await chore.work()
    } catch let error as PostgresError where error.isUnavailable {
      // Said by readiness; not worth a line a second.
    } catch {
      // The end cuts off what waits for a connection; the next start does it.
      guard !Task.isCancelled else { return }
      logger.error("\(chore.name) failed; trying again", metadata: ["error": "\(error)"])
    }
  }
}
