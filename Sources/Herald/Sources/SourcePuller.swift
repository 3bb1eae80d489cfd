import Foundation
import HTTP
import JSON
import Logging
import Postgres

/// Pulls the sources that are due, page by page. Any number of processes may run one: a source belongs to
/// who holds its lease, and where a killed process had committed is where the next goes on. What a page
/// brings, and the step beyond it, are one transaction.
struct SourcePuller: Sendable {
  typealias Fetch = @Sendable (ClientRequest) async -> ClientOutcome

  let db: Database
  let sources: Sources
  let fetch: Fetch
  let wake: Wake
  let now: @Sendable () -> Date
  let logger: Logger
  /// How identities in pages are read.
  var form: @Sendable () async -> IdentityForm = { IdentityForm() }

  /// Sources pulled at a time by one process.
  private static let width = 4
  private static let claimSeconds = 60.0
  private static let firstBackoff = 10.0
  private static let longestBackoff = 3600.0
  /// A page refused so often may be gone; the run begins anew.
  private static let restartAfter = 3

  /// Works until the task is cancelled.
  func run() async {
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<Self.width { group.addTask { await pullDue() } }
    }
  }

  private func pullDue() async {
    while !Task.isCancelled {
      do {
        let ran = try await IdentityForm.$standard.withValue(await form()) { try await runNext() }
        if ran { continue }
      } catch let error as PostgresError where error.isUnavailable {
        // Said by readiness.
      } catch is CancellationError {
      } catch {
        logger.error("pulling a source failed", metadata: ["error": "\(error)"])
      }
      await wake.wait(atMost: .seconds(1))
    }
  }

  private struct Claim: Sendable {
    let stored: StoredSource
    let pull: SourcePull
    let lease: UUID
    let secrets: JSONObject
    let failures: Int
    let progress: PullProgress
  }

  private enum Step: Sendable {
    case goOn(PullProgress)
    case done
    /// Taken over, changed or deleted.
    case lost
  }

  /// One run of the source that has been due for longest, or what is left of it; false when none is due.
  func runNext() async throws -> Bool {
    guard let claim = try await claim() else { return false }
    var progress = claim.progress
    while !Task.isCancelled {
      do {
        switch try await store(try await page(claim, progress), claim, progress) {
        case .goOn(let next): progress = next
        case .done, .lost: return true
        }
      } catch let fault as PullFault {
        guard !Task.isCancelled else { return true }
        try await fail(fault, claim, progress)
        return true
      }
    }
    return true
  }

  private func claim() async throws -> Claim? {
    let lease = UUID()
    let instant = now()
    return try await db.pool.write { [sources] tx in
      guard
        let key = try PullStore.claim(
          lease: lease, seconds: Self.claimSeconds, now: instant, in: tx),
        let stored = try SourceStore.find(key, in: tx), let pull = stored.source.pull,
        let state = try PullStore.hold(key, lease: lease, in: tx)
      else { return nil }
      do {
        return Claim(
          stored: stored, pull: pull, lease: lease, secrets: try sources.open(stored),
          failures: state.failures,
          progress: state.progress ?? PullProgress(startedAt: instant, base: state.cursor))
      } catch let error as HeraldError where error.code == .secretsUnreadable {
        // Another process may have the right key.
        let retry = instant.addingTimeInterval(Self.claimSeconds)
        try PullStore.fail(
          key, error.message, nextAt: retry, restarts: false, now: instant, in: tx)
        return nil
      }
    }
  }

  private func page(_ claim: Claim, _ progress: PullProgress) async throws -> PulledPage {
    let pull = claim.pull
    guard progress.pages < SourcePull.pageLimit else {
      throw PullFault(detail: "The pages do not end: \(progress.pages) were read.")
    }
    let url = pull.url(of: progress.position, base: progress.base)
    var headers = pull.headers.map { header -> (String, String) in
      switch header.value {
      case .plain(let text): (header.name, text)
      case .secret:
        (header.name, claim.secrets[SourcePull.secretName(header.name)]?.stringValue ?? "")
      }
    }
    if !headers.contains(where: { $0.0 == "accept" }) {
      headers.append(("accept", "application/json"))
    }
    let outcome = await fetch(
      ClientRequest(
        url: url, headers: headers, timeout: pull.timeout.duration,
        connectTimeout: min(pull.timeout.duration, .seconds(5)),
        maxResponseBytes: SourcePull.responseBytes, group: "source:\(claim.stored.key)"))
    switch outcome {
    case .notSent(let reason), .unknown(let reason), .forbidden(let reason):
      throw PullFault(detail: "No answer: \(reason).")
    case .response(let response): return try Self.page(response, url, now: now())
    }
  }

  private static func page(_ response: ClientResponse, _ url: String, now: Date) throws
    -> PulledPage
  {
    guard 200..<300 ~= response.status else {
      throw PullFault(
        detail: "The answer was HTTP \(response.status).",
        retryAfter: response.retryAfter(now: now),
        isRefusal: [400, 404, 410, 422].contains(response.status))
    }
    guard !response.isTruncated else {
      throw PullFault(
        detail: "A page has over \(SourcePull.responseBytes) bytes; ask for fewer items a page.")
    }
    do throws(JSONFault) {
      let body = try JSONScanner.parse(response.body)
      return PulledPage(url: url, body: body, link: response.header("link"))
    } catch {
      throw PullFault(detail: "The answer is no JSON: \(error.detail)")
    }
  }

  private func store(
    _ page: PulledPage, _ claim: Claim, _ progress: PullProgress
  ) async throws -> Step {
    let (pull, key, instant) = (claim.pull, claim.stored.key, now())
    let elements = try pull.elements(of: page)
    let position = try pull.position(after: page, at: progress.position, elements)
    let items = elements.enumerated().map { index, element in
      ForeignItem(element, at: pull.items.appending(index), index: index)
    }
    let delivery = SourceDelivery(
      source: claim.stored.source, deliveryID: nil, headers: [:], content: .items(items),
      receivedAt: instant)
    return try await db.pool.write(timeout: .seconds(15)) { [sources] tx in
      guard try PullStore.hold(key, lease: claim.lease, in: tx) != nil else { return .lost }
      guard try SourceStore.find(key, in: tx)?.version == claim.stored.version else {
        try PullStore.release(key, nextAt: instant, in: tx)
        return .lost
      }
      var after = progress
      after.tally = after.tally + (try sources.intake.take(delivery, now: instant, in: tx))
      after.pages += 1
      after.highest = pull.highest(progress.highest ?? progress.base, elements)
      guard let position else {
        try PullStore.finish(
          key, after, cursor: after.highest,
          nextAt: instant.addingTimeInterval(Double(pull.every.seconds)), now: instant, in: tx)
        return .done
      }
      after.position = position
      try PullStore.advance(key, to: after, leaseSeconds: pull.leaseSeconds, in: tx)
      return .goOn(after)
    }
  }

  private func fail(_ fault: PullFault, _ claim: Claim, _ progress: PullProgress) async throws {
    let instant = now()
    let failures = progress == claim.progress ? claim.failures : 0
    let backoff = min(Self.longestBackoff, Self.firstBackoff * pow(2, Double(min(failures, 16))))
    var wait = backoff * Double.random(in: 0.75...1.25)
    if let asked = fault.retryAfter { wait = max(wait, Double(asked.components.seconds)) }
    let nextAt = instant.addingTimeInterval(wait)
    let restarts =
      fault.isRefusal && progress.position != .first && failures + 1 >= Self.restartAfter
    logger.warning(
      "a source cannot be pulled",
      metadata: ["source": "\(claim.stored.key)", "error": "\(fault.detail)"])
    try await db.pool.write { tx in
      guard try PullStore.hold(claim.stored.key, lease: claim.lease, in: tx) != nil else { return }
      try PullStore.fail(
        claim.stored.key, fault.detail, nextAt: nextAt, restarts: restarts, now: instant, in: tx)
    }
  }
}
