import Dispatch
import Synchronization

/// The end of dispatching: nothing new begins, what is out gets a while to be answered and is
/// settled. Cancellation alone would cut off both the answers and their settling.
final class DispatchStop: Sendable {
  private struct State {
    var since: ContinuousClock.Instant?
    var next = 0
    /// Nil once transfers are to be aborted.
    var aborts: [Int: @Sendable () -> Void]? = [:]
  }

  private let state = Mutex(State())

  /// How long answers are waited for.
  static let grace = Duration.seconds(15)
  /// How long a database that is away is waited for, from the beginning of the end.
  static let patience = Duration.seconds(20)

  var isSet: Bool { state.withLock { $0.since != nil } }

  /// Whether there is no time left to write anything.
  var isOver: Bool { state.withLock { $0.since.map { .now > $0 + Self.patience } ?? false } }

  func set() {
    let isFirst = state.withLock { state in
      guard state.since == nil else { return false }
      state.since = .now
      return true
    }
    guard isFirst else { return }
    let grace = DispatchTimeInterval.milliseconds(Int(Self.grace.components.seconds) * 1000)
    DispatchQueue.global().asyncAfter(deadline: .now() + grace) { [weak self] in self?.abort() }
  }

  /// Runs transfers, which are cancelled when the grace is over.
  func abortable<T: Sendable>(_ body: @escaping @Sendable () async -> T) async -> T {
    let task = Task { await body() }
    let number = state.withLock { state -> Int? in
      guard state.aborts != nil else { return nil }
      state.next += 1
      state.aborts?[state.next] = { task.cancel() }
      return state.next
    }
    if number == nil { task.cancel() }
    let value = await task.value
    if let number { state.withLock { _ = $0.aborts?.removeValue(forKey: number) } }
    return value
  }

  private func abort() {
    let aborts = state.withLock { state in
      defer { state.aborts = nil }
      return state.aborts.map { Array($0.values) } ?? []
    }
    for abort in aborts { abort() }
  }
}
