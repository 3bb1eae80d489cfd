import Cryptography
import HTTP
import Synchronization

/// What tells a request under an Idempotency-Key from another: its method, path, query and body. A
/// body that streams counts as it is read.
final class RequestFingerprint: Sendable {
  private struct State {
    var hash: SHA256
    var isWhole: Bool
  }

  private let state: Mutex<State>

  init(_ request: Request) {
    var hash = SHA256()
    hash.update(Array("\(request.method.rawValue) \(request.path)\u{0}".utf8))
    for (name, value) in request.query { hash.update(Array("\(name)\u{0}\(value)\u{0}".utf8)) }
    hash.update(request.body)
    state = Mutex(State(hash: hash, isWhole: request.bodyStream == nil))
  }

  /// Of what has been read by now.
  var value: [UInt8] { state.withLock { $0.hash.finalize() } }

  /// False until the body was read to its end.
  var isWhole: Bool { state.withLock { $0.isWhole } }

  /// The body, which counts here when it is read.
  func counting(_ body: BodyStream) -> BodyStream {
    body.observed { [self] piece in
      state.withLock { state in
        if let piece { state.hash.update(piece) } else { state.isWhole = true }
      }
    }
  }
}
