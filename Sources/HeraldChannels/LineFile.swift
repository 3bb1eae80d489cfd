import Dispatch
import Foundation
import Glibc

/// A file that whole lines are appended to, by several tasks and processes at once.
///
/// A line that was appended has reached the system: it survives the end of this process, not a loss
/// of power. Each append is under an exclusive `flock`; a line that could not be written whole is
/// taken back.
final class LineFile: Sendable {
  enum Failure: Error, Equatable {
    /// Nothing of the line is in the file.
    case notWritten(String)
    /// A part of it may be.
    case torn(String)
  }

  private let descriptor: Int32
  /// Appends block on the disk and on other processes: they run here, one at a time.
  private let queue = DispatchQueue(label: "line-file")

  /// Creates the file, readable by its owner only, and the directories above it.
  init(_ url: URL) throws {
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    descriptor = open(url.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw Failure.notWritten(String(cString: strerror(errno)))
    }
  }

  deinit { close(descriptor) }

  /// `line` gets its newline here and must hold none.
  func append(_ line: [UInt8]) async -> Result<Void, Failure> {
    await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: self.write(line)) }
    }
  }

  /// The same, waiting on the calling thread.
  func appendNow(_ line: [UInt8]) -> Result<Void, Failure> { queue.sync { write(line) } }

  private func write(_ line: [UInt8]) -> Result<Void, Failure> {
    while flock(descriptor, LOCK_EX) != 0 {
      guard errno == EINTR else { return .failure(.notWritten(Self.reason())) }
    }
    defer { flock(descriptor, LOCK_UN) }
    let start = lseek(descriptor, 0, SEEK_END)
    let bytes = line + [UInt8(ascii: "\n")]
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      if count > 0 {
        done += count
      } else if count == 0 || errno != EINTR {
        let reason = Self.reason()
        let isWhole = done == 0 || (start >= 0 && ftruncate(descriptor, start) == 0)
        return .failure(isWhole ? .notWritten(reason) : .torn(reason))
      }
    }
    return .success(())
  }

  private static func reason() -> String { String(cString: strerror(errno)) }
}
