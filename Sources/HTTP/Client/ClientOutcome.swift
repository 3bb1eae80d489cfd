import Foundation

/// What is known of a request after its end. The difference decides whether it may be sent again.
public enum ClientOutcome: Sendable {
  /// The server answered, with whatever status.
  case response(ClientResponse)
  /// Surely nothing of the request left this machine: sending it again cannot duplicate anything.
  case notSent(reason: String)
  /// Nothing was sent, because the URL leads to an address that is not allowed: sending it again comes
  /// to the same until somebody changes the URL, its name's addresses or the configuration.
  case forbidden(reason: String)
  /// The request, or a part of it, may have reached the server; what it did with it is not known.
  case unknown(reason: String)
}

public struct ClientResponse: Sendable {
  public let status: Int
  /// As much of the body as ``ClientRequest/maxResponseBytes`` allowed.
  public let body: [UInt8]
  /// Whether there was more of the body; the connection was then closed.
  public let isTruncated: Bool
  /// The header lines as they came, without the status line. Strings are made only when asked for.
  private let head: [UInt8]

  init(status: Int, head: [UInt8], body: [UInt8], isTruncated: Bool) {
    self.status = status
    self.head = head
    self.body = body
    self.isTruncated = isTruncated
  }

  /// In the order received. Bytes that are no UTF-8 show as U+FFFD.
  public var headers: [(name: String, value: String)] {
    fields.map { (String(decoding: $0.name, as: UTF8.self), Self.text($0.value)) }
  }

  /// The first field of that name, in any case of letters; nil without one.
  public func header(_ name: String) -> String? {
    let wanted = name.utf8.map(Self.lowercased)
    let field = fields.first { $0.name.lazy.map(Self.lowercased).elementsEqual(wanted) }
    return field.map { Self.text($0.value) }
  }

  /// How long the server asks to wait, at most an hour; see ``RetryAfter``.
  public func retryAfter(now: Date) -> Duration? {
    header("Retry-After").flatMap { RetryAfter.parse($0, now: now) }
  }

  private typealias Field = (name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)

  private var fields: [Field] {
    head.split(separator: UInt8(ascii: "\n")).compactMap { line in
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
      return (line[..<colon], line[line.index(after: colon)...])
    }
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
    let start = bytes.drop(while: isSpace)
    let end = start.lastIndex { !isSpace($0) } ?? start.startIndex
    return String(decoding: start.isEmpty ? start : start[...end], as: UTF8.self)
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
  }
}
