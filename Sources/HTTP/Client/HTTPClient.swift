import Logging
import Synchronization

/// Sends requests out, over libcurl on one thread of its own.
///
/// Never sends a request twice, never follows a redirect, takes no proxy from the environment. Bodies of
/// answers and their heads are bounded. Requests to the inside of one's own network are refused at the
/// socket unless ``ClientConfiguration/allowPrivateAddresses`` is set.
public final class HTTPClient: Sendable {
  private let configuration: ClientConfiguration
  /// Nil when libcurl could not be had; every request is then `.notSent`.
  private let loop: ClientLoop?

  public init(_ configuration: ClientConfiguration = ClientConfiguration(), logger: Logger) {
    self.configuration = configuration
    loop = ClientLoop(configuration, logger: logger)
    if loop == nil { logger.critical("libcurl could not be initialised") }
    loop?.start()
  }

  deinit {
    loop?.inbox.leave { $0.stopBy = .now }
  }

  /// Ends when the answer is there, within the request's timeout, or with the task's cancellation, which
  /// aborts the transfer. Checks of the request and its URL run on the caller's thread.
  public func send(_ request: ClientRequest) async -> ClientOutcome {
    guard let loop else { return .notSent(reason: "libcurl could not be initialised") }
    let submission: ClientSubmission
    do {
      submission = try ClientSubmission(request, allowPrivate: configuration.allowPrivateAddresses)
    } catch {
      return error.outcome
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if !loop.inbox.leave({ $0.submissions.append((submission, continuation)) }) {
          continuation.resume(returning: .notSent(reason: "client is shut down"))
        }
      }
    } onCancel: {
      // The mark is for a cancellation that comes before the submission itself.
      submission.isCancelled.store(true, ordering: .relaxed)
      loop.inbox.leave { $0.cancellations.append(submission) }
    }
  }

  /// Sends nothing new, gives what is under way `grace` to end, then aborts it. Returns when the thread
  /// is through and all connections are closed.
  public func shutdown(grace: Duration = .seconds(10)) async {
    guard let loop else { return }
    let stopBy = ContinuousClock.now + max(.zero, min(grace, .seconds(3600)))
    loop.inbox.leave { $0.stopBy = min($0.stopBy ?? stopBy, stopBy) }
    await loop.inbox.waitForEnd()
  }

  /// What a check at the time of saving can know against a URL: its form, its scheme, credentials in it,
  /// a forbidden literal address. Nil when nothing speaks against it; a name may still turn out, when a
  /// request is sent, to lead to a forbidden address.
  public static func refusal(forURL url: String, allowPrivate: Bool) -> String? {
    do {
      return try ClientTarget.parse(url).refusal(allowPrivate: allowPrivate)?.reason
    } catch {
      return error.reason
    }
  }
}
