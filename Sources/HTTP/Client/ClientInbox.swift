import CLibCurl
import Synchronization

/// What other threads leave for the loop's thread. Many messages cost one wake-up: libcurl is only
/// called when the loop sleeps.
///
/// `@unchecked`: everything is inside the mutex, the multi handle too; it is woken only before ``close()``.
final class ClientInbox: @unchecked Sendable {
  struct Letters {
    var submissions: [(ClientSubmission, CheckedContinuation<ClientOutcome, Never>)] = []
    var cancellations: [ClientSubmission] = []
    var lookups: [(host: String, result: Result<[ClientAddress], ClientRefusal>)] = []
    var stopBy: ContinuousClock.Instant?

    var isEmpty: Bool {
      submissions.isEmpty && cancellations.isEmpty && lookups.isEmpty && stopBy == nil
    }
  }

  private struct State {
    var letters = Letters()
    var isSleeping = false
    var isClosed = false
    var waitingForEnd: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())
  private let multi: UnsafeMutableRawPointer

  init(multi: UnsafeMutableRawPointer) { self.multi = multi }

  /// False once the loop has ended; nothing was left then.
  @discardableResult
  func leave(_ change: (inout Letters) -> Void) -> Bool {
    state.withLock { state in
      guard !state.isClosed else { return false }
      change(&state.letters)
      if state.isSleeping {
        state.isSleeping = false
        curl_multi_wakeup(multi)
      }
      return true
    }
  }

  func collect() -> Letters {
    state.withLock { state in
      state.isSleeping = false
      guard !state.letters.isEmpty else { return Letters() }
      let letters = state.letters
      state.letters = Letters()
      return letters
    }
  }

  /// False when there is something to collect; otherwise the next letter wakes the multi handle.
  func prepareToSleep() -> Bool {
    state.withLock { state in
      state.isSleeping = state.letters.isEmpty
      return state.isSleeping
    }
  }

  /// Ends once ``close()`` was called.
  func waitForEnd() async {
    await withCheckedContinuation { continuation in
      let isClosed = state.withLock { state in
        if !state.isClosed { state.waitingForEnd.append(continuation) }
        return state.isClosed
      }
      if isClosed { continuation.resume() }
    }
  }

  /// Takes the last letters; no call reaches the multi handle afterwards.
  func close() -> Letters {
    state.withLock { state in
      state.isClosed = true
      let letters = state.letters
      state.letters = Letters()
      return letters
    }
  }

  /// To be called after ``close()``, when all that the loop held is released.
  func announceEnd() {
    let waiting = state.withLock { state in
      let waiting = state.waitingForEnd
      state.waitingForEnd = []
      return waiting
    }
    for continuation in waiting { continuation.resume() }
  }
}
