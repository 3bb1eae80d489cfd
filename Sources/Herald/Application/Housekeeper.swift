import Foundation
import Logging
import Postgres

/// The small regular work: audit seals every second, partitions ahead, old keys forgotten, rule
/// tags. Any number of processes may do it beside each other.
struct Housekeeper: Sendable {
  let db: Database
  let audits: Audits
  let idempotency: Idempotency
  let segments: Segments
  let partitions: Partitions
  let erasures: Erasures
  let violations: Violations
  let now: @Sendable () -> Date
  let logger: Logger

  func run() async {
    var turn = 0
    while !Task.isCancelled {
      await attempt("audit seal") { try await audits.seal() }
      if turn % 3600 == 0 {
        await attempt("idempotency keys") { try await idempotency.prune(now: now()) }
        await attempt("violations") { try await violations.prune(now: now()) }
        await attempt("dead letters") { try await pruneDeadLetters() }
      }
      await attempt("erasures") { try await erase() }
      await attempt("segment refreshes") { try await refreshSegments() }
      if turn % 300 == 0 {
        await attempt("making of months") { try await partitions.make(now: now()) }
        await attempt("dropping of months") { try await partitions.drop(now: now()) }
        await attempt("forgetting of message ids") {
          try await partitions.forgetMessages(now: now())
        }
      }
      if turn % 60 == 30 {
        await attempt("rule tags") { try await segments.refreshRuleTags(now: now()) }
      }
      turn += 1
      try? await Task.sleep(for: .seconds(1))
    }
  }

  /// Those whose schedule has come; the rest of a long list in the next turn.
  private func refreshSegments() async throws {
    for _ in 0..<20 where try await !segments.refreshDue(now: now()) { return }
  }

  /// Goes on with erasures under way, for some seconds at most: the audit must be sealed meanwhile.
  private func erase() async throws {
    let end = ContinuousClock.now + .seconds(5)
    while ContinuousClock.now < end, try await erasures.advance(now: now()) {}
  }

  func pruneDeadLetters() async throws {
    let before = now().addingTimeInterval(-DeadLetter.retention)
    try await db.pool.write { tx in _ = try DeadLetterStore.prune(before: before, in: tx) }
  }

  private func attempt(_ name: String, _ body: () async throws -> some Any) async {
    do {
      _ = try await body()
    } catch let error as PostgresError where error.isUnavailable {
      // Said by readiness; not worth a line a second.
    } catch {
      // The end cuts off what waits for a connection; the next start does it.
      guard !Task.isCancelled else { return }
      logger.error("\(name) failed; trying again", metadata: ["error": "\(error)"])
    }
  }
}
