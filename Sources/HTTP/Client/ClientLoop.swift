import CLibCurl
import Foundation
import Logging
import Synchronization

/// The thread on which libcurl lives.
///
/// `@unchecked`: all stored variables belong to that thread; others reach it through ``inbox`` only.
final class ClientLoop: @unchecked Sendable {
  let inbox: ClientInbox
  private let multi: UnsafeMutableRawPointer
  private let configuration: ClientConfiguration
  private let logger: Logger
  private let resolver: ClientResolver

  private var admission: ClientAdmission
  private var names: ClientNames
  private var resolving: [String: [ClientSubmission]] = [:]
  private var active: [ObjectIdentifier: ClientTransfer] = [:]
  private var spare: [ClientTransfer] = []
  private var finished: [(CheckedContinuation<ClientOutcome, Never>, ClientOutcome)] = []
  private var stopBy: ContinuousClock.Instant?
  private var nextSweep = ContinuousClock.now

  private static let sweepInterval: Duration = .milliseconds(50)
  /// Initialises libcurl once for the process; false when that failed.
  private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  /// Nil when libcurl cannot be had, for want of memory or file descriptors.
  init?(_ configuration: ClientConfiguration, logger: Logger) {
    guard Self.isLibraryReady, let multi = curl_multi_init() else { return nil }
    clibcurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, max(1, configuration.maxConnections))
    let inbox = ClientInbox(multi: multi)
    self.multi = multi
    self.inbox = inbox
    self.configuration = configuration
    self.logger = logger
    admission = ClientAdmission(configuration)
    names = ClientNames(allowPrivate: configuration.allowPrivateAddresses)
    resolver = ClientResolver(lookup: configuration.lookup) { host, result in
      inbox.leave { $0.lookups.append((host, result)) }
    }
  }

  /// Runs until it was told to stop and all transfers have ended. The thread keeps the loop alive.
  func start() {
    let thread = Thread { self.run() }
    thread.name = "http-client"
    thread.start()
  }

  private func run() {
    Self.blockBrokenPipe()
    while !isDone {
      takeLetters()
      perform()
      while let submission = admission.next() { begin(submission) }
      sweep()
      deliver()
      sleep()
    }
    end()
  }

  /// OpenSSL writes without MSG_NOSIGNAL: a connection closed by the peer must not end the process.
  private static func blockBrokenPipe() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  private var isDone: Bool {
    guard let stopBy else { return false }
    return active.isEmpty || stopBy <= .now
  }

  // MARK: Coming in

  private func takeLetters() {
    let letters = inbox.collect()
    if let stopBy = letters.stopBy { stop(by: stopBy) }
    let now = ContinuousClock.now
    for (host, result) in letters.lookups {
      names.store(result, for: host, now: now)
      for submission in resolving.removeValue(forKey: host) ?? [] { accept(submission, now: now) }
    }
    for (submission, continuation) in letters.submissions {
      submission.continuation = continuation
      accept(submission, now: now)
    }
    for submission in letters.cancellations { cancel(submission) }
  }

  private func accept(_ submission: ClientSubmission, now: ContinuousClock.Instant) {
    guard submission.continuation != nil else { return }
    guard stopBy == nil else {
      return finish(submission, .notSent(reason: "client is shut down"))
    }
    guard !submission.isCancelled.load(ordering: .relaxed) else {
      return finish(submission, .notSent(reason: "cancelled"))
    }
    if submission.target.literal == nil {
      switch names.answer(for: submission.target, now: now) {
      case .pinned(let pin): submission.pin = pin
      case .refused(let refusal):
        return finish(submission, refusal.outcome)
      case .missing:
        let host = submission.target.host
        if resolving[host] == nil { resolver.resolve(host) }
        resolving[host, default: []].append(submission)
        return
      }
    }
    if admission.admit(submission) { begin(submission) }
  }

  private func begin(_ submission: ClientSubmission) {
    let now = ContinuousClock.now
    guard submission.continuation != nil, submission.deadline > now,
      let transfer = spare.popLast() ?? ClientTransfer(configuration)
    else {
      admission.release(submission)
      return finish(submission, .notSent(reason: "no connection was free in time"))
    }
    transfer.prepare(submission, now: now)
    submission.transfer = transfer
    active[ObjectIdentifier(transfer)] = transfer
    let code = curl_multi_add_handle(multi, transfer.handle)
    if code != CURLM_OK {
      settle(transfer, .notSent(reason: "libcurl refused the transfer (\(code.rawValue))"))
    }
  }

  private func cancel(_ submission: ClientSubmission) {
    if let transfer = submission.transfer {
      settle(transfer, transfer.interrupted("cancelled"))
    } else {
      // It may stand in a line still, where it is passed over.
      finish(submission, .notSent(reason: "cancelled"))
    }
  }

  // MARK: Going out

  private func perform() {
    guard !active.isEmpty else { return }
    var running: Int32 = 0
    let code = curl_multi_perform(multi, &running)
    if code != CURLM_OK { logger.error("curl_multi_perform failed", metadata: metadata(code)) }
    var remaining: Int32 = 0
    while let message = curl_multi_info_read(multi, &remaining) {
      guard message.pointee.msg == CURLMSG_DONE else { continue }
      let result = clibcurl_message_result(message)
      var context: UnsafeMutableRawPointer?
      guard let handle = message.pointee.easy_handle,
        clibcurl_get_pointer(handle, CURLINFO_PRIVATE, &context) == CURLE_OK, let context
      else { continue }
      let transfer = Unmanaged<ClientTransfer>.fromOpaque(context).takeUnretainedValue()
      settle(transfer, transfer.outcome(result))
    }
  }

  /// Ends a transfer, whether or not libcurl is through with it, and gives its place away.
  private func settle(_ transfer: ClientTransfer, _ outcome: ClientOutcome) {
    curl_multi_remove_handle(multi, transfer.handle)
    active[ObjectIdentifier(transfer)] = nil
    if let submission = transfer.submission {
      submission.transfer = nil
      admission.release(submission)
      finish(submission, outcome)
    }
    transfer.reset()
    spare.append(transfer)
  }

  private func finish(_ submission: ClientSubmission, _ outcome: ClientOutcome) {
    guard let continuation = submission.continuation else { return }
    submission.continuation = nil
    finished.append((continuation, outcome))
  }

  private func deliver() {
    for (continuation, outcome) in finished { continuation.resume(returning: outcome) }
    finished.removeAll(keepingCapacity: true)
  }

  // MARK: Time

  /// Ends what waits for a name or a connection for longer than it may.
  private func sweep() {
    guard admission.hasWaiting || !resolving.isEmpty else { return }
    let now = ContinuousClock.now
    guard now >= nextSweep else { return }
    nextSweep = now + Self.sweepInterval
    let isOver: (ClientSubmission) -> Bool = { $0.continuation == nil || $0.deadline <= now }
    for submission in admission.remove(where: isOver) {
      finish(submission, .notSent(reason: "no connection was free in time"))
    }
    for (host, waiting) in resolving where waiting.contains(where: isOver) {
      // An empty list stays: the look-up is still under way.
      resolving[host] = waiting.filter { !isOver($0) }
      for submission in waiting.filter(isOver) {
        finish(submission, .notSent(reason: "\(host) was not resolved in time"))
      }
    }
  }

  private func sleep() {
    guard !isDone, inbox.prepareToSleep() else { return }
    let isWatching = admission.hasWaiting || !resolving.isEmpty || stopBy != nil
    let code = curl_multi_poll(multi, nil, 0, isWatching ? 50 : 10_000, nil)
    if code != CURLM_OK {
      logger.error("curl_multi_poll failed", metadata: metadata(code))
      usleep(10_000)  // whatever it is, not to be retried at full speed
    }
  }

  private func metadata(_ code: CURLMcode) -> Logger.Metadata {
    ["code": .stringConvertible(code.rawValue)]
  }

  // MARK: The end

  private func stop(by instant: ContinuousClock.Instant) {
    stopBy = min(stopBy ?? instant, instant)
    let waiting = admission.remove { _ in true } + resolving.values.flatMap { $0 }
    resolving = [:]
    for submission in waiting { finish(submission, .notSent(reason: "client is shut down")) }
  }

  private func end() {
    for transfer in Array(active.values) {
      settle(transfer, transfer.interrupted("client is shut down"))
    }
    for (_, continuation) in inbox.close().submissions {
      finished.append((continuation, .notSent(reason: "client is shut down")))
    }
    spare = []
    curl_multi_cleanup(multi)
    resolver.stop()
    deliver()
    inbox.announceEnd()
  }
}
