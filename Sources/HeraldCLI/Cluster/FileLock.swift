import Dispatch
import Glibc

/// A lock between processes (flock(2)) on a file that is never removed. The kernel gives it back when
/// the process ends, however it ends. Children do not inherit it.
final class FileLock: Sendable {
  enum Strength: Sendable {
    case shared, exclusive

    fileprivate var operation: Int32 { self == .shared ? LOCK_SH : LOCK_EX }
  }

  private let descriptor: Int32

  /// Opens the file, creating it for `owner` when it is missing.
  init(path: String, owner: FileOwner) throws(ClusterError) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .system("open", path) }
    owner.claim(descriptor)
  }

  deinit { close(descriptor) }

  /// Takes the lock, or changes the strength of the lock held, unless another process is in the way.
  func attempt(_ strength: Strength) -> Bool {
    flock(descriptor, strength.operation | LOCK_NB) == 0
  }

  func acquire(_ strength: Strength, within limit: Duration) async -> Bool {
    await Pause.until(limit) { attempt(strength) }
  }

  func release() {
    _ = flock(descriptor, LOCK_UN)
  }

  /// A word about the holder, for those who are refused.
  var note: String {
    get {
      var bytes = [UInt8](repeating: 0, count: 64)
      let count = pread(descriptor, &bytes, bytes.count, 0)
      return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
    set {
      let bytes = Array(newValue.utf8)
      _ = ftruncate(descriptor, 0)
      _ = pwrite(descriptor, bytes, bytes.count, 0)
    }
  }
}

/// Waiting that goes on when the task is cancelled: half-done starts and stops help nobody.
enum Pause {
  static func milliseconds(_ count: Int) async {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(count)) {
        continuation.resume()
      }
    }
  }

  /// Asks again and again, at most every 50 ms, until `condition` holds (true) or time is up (false).
  static func until(_ limit: Duration, _ condition: () -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + limit
    var interval = 2
    while !condition() {
      guard ContinuousClock.now < deadline else { return false }
      await milliseconds(interval)
      interval = min(50, interval * 2)
    }
    return true
  }
}
