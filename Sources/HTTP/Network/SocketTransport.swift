import Glibc

/// A connected socket, watched by its loop's poller. Used on the loop's queue only.
final class SocketTransport: Transport {
  private let descriptor: Int32
  private let token: Int
  private let poller: Poller
  private var interest: Poller.Interest = []
  private var closed = false
  private let onClose: () -> Void

  /// Takes the descriptor over, which must not block. Events carry `token`. `onClose` runs when
  /// the descriptor has been closed.
  init(descriptor: Int32, token: Int, poller: Poller, onClose: @escaping () -> Void) {
    self.descriptor = descriptor
    self.token = token
    self.poller = poller
    self.onClose = onClose
  }

  func setReading(_ enabled: Bool) { set(.reading, enabled) }
  func setWriting(_ enabled: Bool) { set(.writing, enabled) }

  private func set(_ member: Poller.Interest, _ enabled: Bool) {
    guard !closed else { return }
    let wanted = enabled ? interest.union(member) : interest.subtracting(member)
    poller.change(descriptor, token: token, from: interest, to: wanted)
    interest = wanted
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
    set([.reading, .writing], false)
    closed = true
    Glibc.close(descriptor)
    onClose()
  }
}
