import CZlib

/// A gzip stream (RFC 1952, several members too) inflated piece by piece up to a limit.
///
/// Not thread-safe. zlib keeps a pointer to its own state, so that lies on the heap.
final class Inflater {
  /// The most one `pull` returns.
  static let pieceBytes = 64 * 1024

  private let state: UnsafeMutablePointer<z_stream>
  private let limit: Int
  private var produced = 0
  private var input: [UInt8] = []
  private var position = 0
  private var atMemberEnd = false

  /// `limit` bounds all that comes out; one byte more is a 413.
  init(limit: Int) throws(HTTPFault) {
    state = .allocate(capacity: 1)
    state.initialize(to: z_stream())
    self.limit = limit
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(state, MAX_WBITS + 16, ZLIB_VERSION, size) == Z_OK else {
      throw .overloaded
    }
  }

  deinit {
    inflateEnd(state)
    state.deallocate()
  }

  /// Sets the next input; the one before must have been pulled to its end.
  func push(_ bytes: [UInt8]) {
    input = bytes
    position = 0
  }

  /// The next output; nil when more input is needed.
  func pull() throws(HTTPFault) -> [UInt8]? {
    while true {
      if atMemberEnd {
        guard position < input.count else { return nil }
        guard inflateReset(state) == Z_OK else { throw .badCompression }
        atMemberEnd = false
      }
      let before = position
      var status = Z_OK
      let output = [UInt8](unsafeUninitializedCapacity: Self.pieceBytes) { buffer, count in
        (status, count) = step(into: buffer)
      }
      switch status {
      case Z_OK: break
      case Z_BUF_ERROR where output.isEmpty: return nil
      case Z_BUF_ERROR: break
      case Z_STREAM_END: atMemberEnd = true
      default: throw .badCompression
      }
      produced += output.count
      guard produced <= limit else { throw .bodyTooLarge }
      if !output.isEmpty { return output }
      if position == before, !atMemberEnd { return nil }
    }
  }

  private func step(into buffer: UnsafeMutableBufferPointer<UInt8>) -> (Int32, Int) {
    input.withUnsafeMutableBufferPointer { source in
      let available = source.count - position
      state.pointee.next_in = source.baseAddress?.advanced(by: position)
      state.pointee.avail_in = UInt32(clamping: available)
      state.pointee.next_out = buffer.baseAddress
      state.pointee.avail_out = UInt32(clamping: buffer.count)
      let status = CZlib.inflate(state, Z_NO_FLUSH)
      position += available - Int(state.pointee.avail_in)
      return (status, buffer.count - Int(state.pointee.avail_out))
    }
  }

  /// Throws when the input ended inside a member.
  func finish() throws(HTTPFault) {
    guard atMemberEnd else { throw .badCompression }
  }

  /// A whole body at once.
  static func inflate(_ bytes: [UInt8], limit: Int) throws(HTTPFault) -> [UInt8] {
    let inflater = try Inflater(limit: limit)
    inflater.push(bytes)
    var whole: [UInt8] = []
    while let piece = try inflater.pull() { whole.append(contentsOf: piece) }
    try inflater.finish()
    return whole
  }
}
