import Synchronization

/// Hands the pieces of a body from the connection's queue to one consuming task.
///
/// The connection stops reading while `highWater` bytes wait and is asked for more through
/// `demand`, which may be called from any thread.
final class BodyChannel: Sendable {
  static let highWater = 64 * 1024

  private struct State {
    var pieces: [[UInt8]] = []
    var next = 0
    var bytes = 0
    var ended = false
    var fault: HTTPFault?
    var asked = false
    var waiter: CheckedContinuation<[UInt8]?, any Error>?

    mutating func take() -> [UInt8]? {
      guard next < pieces.count else { return nil }
      let piece = pieces[next]
      next += 1
      bytes -= piece.count
      if next == pieces.count {
        pieces.removeAll(keepingCapacity: true)
        next = 0
      }
      return piece
    }
  }

  private let state = Mutex(State())
  private let demand: @Sendable () -> Void

  init(demand: @escaping @Sendable () -> Void) { self.demand = demand }

  /// Whether the connection should read on.
  var wantsMore: Bool { state.withLock { $0.bytes < Self.highWater && $0.fault == nil } }

  /// Whether the consumer has asked at least once, which is when 100 Continue is due.
  var wasAsked: Bool { state.withLock { $0.asked } }

  /// The fault that ended the body, if one did.
  var fault: HTTPFault? { state.withLock { $0.fault } }

  func push(_ piece: [UInt8]) {
    let waiter = state.withLock { state -> CheckedContinuation<[UInt8]?, any Error>? in
      guard let waiter = state.waiter else {
        state.pieces.append(piece)
        state.bytes += piece.count
        return nil
      }
      state.waiter = nil
      return waiter
    }
    waiter?.resume(returning: piece)
  }

  func end() {
    let waiter = state.withLock { state in
      state.ended = true
      return state.waiter.take()
    }
    waiter?.resume(returning: nil)
  }

  /// Only the first fault counts; pieces that wait are dropped. A fault of the content may come
  /// after `end`.
  func fail(_ fault: HTTPFault) {
    let waiter = state.withLock { state -> CheckedContinuation<[UInt8]?, any Error>? in
      guard state.fault == nil else { return nil }
      state.fault = fault
      state.pieces.removeAll()
      state.next = 0
      state.bytes = 0
      return state.waiter.take()
    }
    waiter?.resume(throwing: fault)
  }

  /// The next piece as it came over the wire; nil at the end.
  func take() async throws -> [UInt8]? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let (outcome, drained) = state.withLock { state in settle(&state, continuation) }
        switch outcome {
        case .success(let piece)?: continuation.resume(returning: piece)
        case .failure(let error)?: continuation.resume(throwing: error)
        case nil: break
        }
        if drained { demand() }
      }
    } onCancel: {
      let waiter = state.withLock { $0.waiter.take() }
      waiter?.resume(throwing: CancellationError())
    }
  }

  /// What to resume with at once, or nil when the continuation now waits; and whether the
  /// connection must be asked for more.
  private func settle(
    _ state: inout State, _ continuation: CheckedContinuation<[UInt8]?, any Error>
  ) -> (Result<[UInt8]?, any Error>?, Bool) {
    let first = !state.asked
    state.asked = true
    if let fault = state.fault { return (.failure(fault), false) }
    let wasFull = state.bytes >= Self.highWater
    if let piece = state.take() {
      return (.success(piece), !state.ended && (first || wasFull && state.bytes < Self.highWater))
    }
    if state.ended { return (.success(nil), false) }
    if Task.isCancelled || state.waiter != nil { return (.failure(CancellationError()), false) }
    state.waiter = continuation
    return (nil, true)
  }
}
