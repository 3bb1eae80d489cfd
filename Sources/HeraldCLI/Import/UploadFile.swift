import Foundation
import HTTP
import Synchronization

/// A file, or standard input, on its way to an import: read while it is sent, never whole in memory.
final class UploadFile: Sendable {
  enum Format: String, Sendable, CaseIterable {
    case csv, ndjson

    var contentType: String { self == .csv ? "text/csv" : "application/x-ndjson" }
  }

  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  private struct State {
    let descriptor: Int32
    /// Read ahead, to see what it is.
    var head: ArraySlice<UInt8>
    var isOpen = true
    var fault: Fault?
  }

  let name: String
  let format: Format
  let isGzip: Bool
  /// Bytes; nil for a pipe.
  let length: Int?
  private let sentBytes = Atomic(0)
  private let isGivenUp = Atomic(false)
  private let state: Mutex<State>

  private static let headBytes = 4096

  /// `path` "-" is standard input. What is gzip shows by its first bytes, CSV or NDJSON by the name
  /// (`.csv`, `.ndjson`, `.jsonl`, each also with `.gz`) or else by the first byte.
  init(path: String, format: Format? = nil) throws {
    name = path == "-" ? "standard input" : path
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Fault(description: "\(path) cannot be opened: \(String(cString: strerror(errno))).")
    }
    do {
      let head = try Self.head(descriptor, name)
      isGzip = Gzip.isMagic(head)
      guard let format = format ?? Self.format(of: path, head, isGzip: isGzip) else {
        throw Fault(description: "Say with --format whether \(name) is csv or ndjson.")
      }
      self.format = format
      length = Self.size(descriptor)
      state = Mutex(State(descriptor: descriptor, head: head[...]))
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit {
    state.withLock { state in
      if state.isOpen { close(state.descriptor) }
    }
  }

  var sent: Int { sentBytes.load(ordering: .relaxed) }
  /// What went wrong while reading.
  var fault: Fault? { state.withLock { $0.fault } }

  /// Ends the sending so that Herald sees a broken upload, not a short file.
  func giveUp() { isGivenUp.store(true, ordering: .relaxed) }

  /// To be sent once.
  var source: ClientBodySource {
    ClientBodySource(length: length) { [self] in read(into: $0) }
  }

  private func read(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
    state.withLock { state in
      var count: Int
      if !state.head.isEmpty {
        count = min(buffer.count, state.head.count)
        buffer.copyBytes(from: state.head.prefix(count))
        state.head = state.head.dropFirst(count)
      } else {
        waitForInput(state.descriptor)
        repeat {
          count = Glibc.read(state.descriptor, buffer.baseAddress, buffer.count)
        } while count < 0 && errno == EINTR
        guard count >= 0 else {
          state.fault = Fault(
            description: "\(name) cannot be read: \(String(cString: strerror(errno))).")
          return nil
        }
        // A Ctrl-C that ended us and the program before the pipe is seen by us a moment later.
        if count == 0, length == nil { usleep(200_000) }
      }
      if isGivenUp.load(ordering: .relaxed) { return nil }
      sentBytes.add(count, ordering: .relaxed)
      return count
    }
  }

  /// Until there is something to read, an end, or no wish for it.
  private func waitForInput(_ descriptor: Int32) {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while !isGivenUp.load(ordering: .relaxed), poll(&entry, 1, 100) == 0 {}
  }

  private static func head(_ descriptor: Int32, _ name: String) throws -> [UInt8] {
    var head: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: headBytes)
    while head.count < headBytes {
      let count = Glibc.read(descriptor, &buffer, headBytes - head.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw Fault(description: "\(name) cannot be read: \(String(cString: strerror(errno))).")
      }
      if count == 0 { break }
      head += buffer.prefix(count)
    }
    return head
  }

  private static func size(_ descriptor: Int32) -> Int? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      lseek(descriptor, 0, SEEK_CUR) <= status.st_size
    else { return nil }
    return Int(status.st_size)
  }

  private static func format(of path: String, _ head: [UInt8], isGzip: Bool) -> Format? {
    var name = path.lowercased()
    if name.hasSuffix(".gz") { name.removeLast(3) }
    if name.hasSuffix(".csv") { return .csv }
    if [".ndjson", ".jsonl", ".json"].contains(where: name.hasSuffix) { return .ndjson }
    guard !isGzip, let first = head.first(where: { $0 > 0x20 }) else { return nil }
    return first == UInt8(ascii: "{") ? .ndjson : .csv
  }
}
