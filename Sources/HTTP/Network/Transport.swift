/// The seam between HTTP and the socket. Everything is called on the connection's queue.
protocol Transport: AnyObject {
  func read(into buffer: UnsafeMutableRawBufferPointer) -> TransportRead
  func write(_ bytes: UnsafeRawBufferPointer) -> TransportWrite
  /// Whether the loop is to call the connection when it can be read.
  func setReading(_ enabled: Bool)
  func setWriting(_ enabled: Bool)
  /// Tells the peer that nothing more comes; reading goes on.
  func finishWriting()
  /// No event follows. `abruptly` resets the connection instead of ending it.
  func close(abruptly: Bool)
}

enum TransportRead {
  case bytes(Int)
  case blocked
  case end
  case failed
}

enum TransportWrite {
  case bytes(Int)
  case blocked
  case failed
}
