import Dispatch
import Glibc

/// A connected socket with Dispatch sources.
///
/// The sources are level-triggered: what is not wanted is suspended, and a suspended source is
/// resumed before it is let go. The descriptor is closed by the last cancel handler.
///
/// `@unchecked Sendable`: every member is touched on `queue` only; the cancel handlers run there.
final class SocketTransport: Transport, @unchecked Sendable {
  private let descriptor: Int32
  private let queue: DispatchQueue
  private var readSource: (any DispatchSourceRead)?
  private var writeSource: (any DispatchSourceWrite)?
  private var reading = false
  private var writing = false
  private var openSources = 0
  private var closed = false
  private var handler: (any TransportHandler)?
  private let onClose: @Sendable () -> Void

  /// Takes the descriptor over, which must not block. `onClose` runs when it has been closed.
  init(descriptor: Int32, queue: DispatchQueue, onClose: @escaping @Sendable () -> Void) {
    self.descriptor = descriptor
    self.queue = queue
    self.onClose = onClose
  }

  func start(_ handler: any TransportHandler) {
    self.handler = handler
    let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler { [handler] in handler.readable() }
    source.setCancelHandler { [self] in sourceCancelled() }
    readSource = source
    openSources += 1
    reading = true
    source.resume()
  }

  func setReading(_ enabled: Bool) {
    guard !closed, enabled != reading, let readSource else { return }
    reading = enabled
    if enabled { readSource.resume() } else { readSource.suspend() }
  }

  func setWriting(_ enabled: Bool) {
    guard !closed, enabled != writing else { return }
    writing = enabled
    if writeSource == nil { makeWriteSource() }
    if enabled { writeSource?.resume() } else { writeSource?.suspend() }
  }

  private func makeWriteSource() {
    guard let handler else { return }
    let source = DispatchSource.makeWriteSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler { [handler] in handler.writable() }
    source.setCancelHandler { [self] in sourceCancelled() }
    writeSource = source
    openSources += 1
  }

  private func sourceCancelled() {
    openSources -= 1
    guard openSources == 0 else { return }
    readSource = nil
    writeSource = nil
    Glibc.close(descriptor)
    onClose()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> TransportRead {
    while true {
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .blocked : .failed
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> TransportWrite {
    while true {
      let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .bytes(count) }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .blocked : .failed
    }
  }

  func finishWriting() {
    guard !closed else { return }
    shutdown(descriptor, Int32(SHUT_WR))
  }

  func close(abruptly: Bool) {
    guard !closed else { return }
    if abruptly {
      var linger = linger(l_onoff: 1, l_linger: 0)
      let size = socklen_t(MemoryLayout.size(ofValue: linger))
      setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, size)
    }
    closed = true
    handler = nil
    readSource?.cancel()
    writeSource?.cancel()
    if !reading { readSource?.resume() }
    if !writing { writeSource?.resume() }
  }
}
