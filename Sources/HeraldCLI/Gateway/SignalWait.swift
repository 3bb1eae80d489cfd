import Dispatch
import Foundation
import Synchronization

/// Waits for SIGINT or SIGTERM, which it keeps from ending the process.
final class SignalWait: Sendable {
  private let signalled = DispatchSemaphore(value: 0)
  /// Kept because a source that is let go of hears nothing.
  private let sources: Mutex<[any DispatchSourceSignal]>

  init() {
    let signalled = signalled
    let made = [SIGINT, SIGTERM].map { number -> any DispatchSourceSignal in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { signalled.signal() }
      source.resume()
      return source
    }
    sources = Mutex(made)
  }

  /// True once a signal has come, false when `time` passed without one.
  func wait(for time: DispatchTimeInterval) async -> Bool {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async { [signalled] in
        continuation.resume(returning: signalled.wait(timeout: .now() + time) == .success)
      }
    }
  }
}
