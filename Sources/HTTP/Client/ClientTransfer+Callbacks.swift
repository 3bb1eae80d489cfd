import CLibCurl
import Foundation

/// What libcurl calls. All run on the loop's thread, inside `curl_multi_perform`.
extension ClientTransfer {
  typealias DataCallback =
    @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int

  private static func from(_ context: UnsafeMutableRawPointer) -> ClientTransfer {
    Unmanaged.fromOpaque(context).takeUnretainedValue()
  }

  /// One line of the head. Interim answers are dropped, their bytes counted: a flood of them ends at the
  /// cap as one endless head does.
  static let receiveHeader: DataCallback = { pointer, size, count, context in
    guard let pointer, let context else { return 0 }
    let line = UnsafeRawBufferPointer(start: pointer, count: size * count)
    return from(context).receive(headerLine: line) ? line.count : 0
  }

  private func receive(headerLine line: UnsafeRawBufferPointer) -> Bool {
    headerByteCount += line.count
    guard headerByteCount <= maxHeaderBytes else {
      isHeadTooLong = true
      return false
    }
    if isHeadComplete { return true }  // trailers, of no use to anybody
    if line.starts(with: "HTTP/".utf8) {
      head.removeAll(keepingCapacity: true)
      status = Self.status(ofLine: line)
    } else if line.allSatisfy({ $0 == 0x0D || $0 == 0x0A }) {
      isHeadComplete = status >= 200
    } else {
      head.append(contentsOf: line)
    }
    return true
  }

  /// The three digits after the version; 0 when they are none.
  private static func status(ofLine line: UnsafeRawBufferPointer) -> Int {
    guard let space = line.firstIndex(of: 0x20) else { return 0 }
    let digits = line[(space + 1)...].prefix(3)
    guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return 0 }
    return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }

  /// Keeps as much as was asked for and ends the transfer with the first byte beyond.
  static let receiveBody: DataCallback = { pointer, size, count, context in
    guard let pointer, let context else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: pointer, count: size * count)
    let transfer = from(context)
    if let sink = transfer.submission?.request.sink, 200..<300 ~= transfer.status {
      sink(bytes)
      return bytes.count
    }
    let room = (transfer.submission?.request.maxResponseBytes ?? 0) - transfer.body.count
    transfer.body.append(contentsOf: bytes.prefix(max(0, room)))
    guard bytes.count > room else { return bytes.count }
    transfer.isTruncated = true
    return 0
  }

  static let provideBody: DataCallback = { pointer, size, count, context in
    guard let pointer, let context else { return Int(CURL_READFUNC_ABORT) }
    let transfer = from(context)
    guard let request = transfer.submission?.request else { return Int(CURL_READFUNC_ABORT) }
    if let source = request.source {
      let buffer = UnsafeMutableRawBufferPointer(start: pointer, count: size * count)
      return source.read(buffer) ?? Int(CURL_READFUNC_ABORT)
    }
    let body = request.body
    let length = min(size * count, body.count - transfer.bodyOffset)
    guard length > 0 else { return 0 }
    body.withUnsafeBytes { bytes in
      UnsafeMutableRawBufferPointer(start: pointer, count: length)
        .copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[transfer.bodyOffset...].prefix(length)))
    }
    transfer.bodyOffset += length
    return length
  }

  /// libcurl rewinds a body in order to send it again by itself. The second wall behind
  /// ``beforeRequest``.
  static let refuseRewind: curl_seek_callback = { _, _, _ in Int32(CURL_SEEKFUNC_FAIL) }

  /// Called on a ready connection before the request is written. A second call means that a reused
  /// connection died under the request and libcurl would send it again by itself, POST or not. Whether
  /// the first copy arrived nobody knows, so that is not for libcurl to decide.
  static let beforeRequest: curl_prereq_callback = { context, _, _, _, _ in
    guard let context else { return Int32(CURL_PREREQFUNC_ABORT) }
    let transfer = from(context)
    guard !transfer.hasStarted else {
      transfer.wasRestarted = true
      return Int32(CURL_PREREQFUNC_ABORT)
    }
    transfer.hasStarted = true
    return Int32(CURL_PREREQFUNC_OK)
  }

  /// The wall itself: every connection begins here, whatever name or URL led to the address.
  static let openSocket: curl_opensocket_callback = { context, _, destination in
    guard let context, let destination,
      let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr)
    else { return -1 }
    let transfer = from(context)
    let pointer = UnsafeRawPointer(destination).advanced(by: offset)
    if !transfer.allowPrivate {
      guard let address = ClientAddress(pointer.assumingMemoryBound(to: sockaddr.self)) else {
        transfer.blocked = ClientRefusal(reason: "address is neither IPv4 nor IPv6")
        return -1
      }
      if let kind = address.forbiddenKind {
        transfer.blocked = .forbidden(address.description, kind: kind)
        return -1
      }
    }
    return socket(
      destination.pointee.family,
      destination.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue), destination.pointee.protocol)
  }
}
