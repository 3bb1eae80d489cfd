/// The seam between HTTP and the socket. Everything is called on the connection's queue.
protocol Transport: AnyObject {
  func read(into buffer: UnsafeMutableRawBufferPointer) -> TransportRead
  func write(_ bytes: UnsafeRawBufferPointer) -> TransportWrite
  /// Starts the events of `handler`; called once.
  func start(_ handler: any TransportHandler)
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

/// What a transport tells its connection.
protocol TransportHandler: AnyObject, Sendable {
  func readable()
  func writable()
}
