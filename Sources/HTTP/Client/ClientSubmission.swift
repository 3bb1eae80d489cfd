import CLibCurl
import Synchronization

/// A checked request on its way through the loop.
///
/// `@unchecked`: the plain stored variables belong to the loop's thread. The header list is never changed.
final class ClientSubmission: @unchecked Sendable {
  let request: ClientRequest
  let target: ClientTarget
  let deadline: ContinuousClock.Instant
  let headers: UnsafeMutablePointer<curl_slist>
  let isCancelled = Atomic(false)

  /// Nil before the loop has taken the submission up, and again once it has its outcome.
  var continuation: CheckedContinuation<ClientOutcome, Never>?
  var pin: ClientPin?
  var transfer: ClientTransfer?

  private static let longestTimeout: Duration = .seconds(3600)

  /// Checks all that can be checked before anything is sent.
  init(_ request: ClientRequest, allowPrivate: Bool) throws(ClientRefusal) {
    target = try ClientTarget.parse(request.url)
    if let refusal = target.refusal(allowPrivate: allowPrivate) { throw refusal }
    guard !request.method.isEmpty, request.method.utf8.allSatisfy(Self.isToken) else {
      throw ClientRefusal(reason: "method is no HTTP token")
    }
    guard request.method != "CONNECT", request.method != "HEAD" || request.body.isEmpty else {
      throw ClientRefusal(reason: "method \(request.method) is not supported this way")
    }
    guard request.maxResponseBytes >= 0 else {
      throw ClientRefusal(reason: "maxResponseBytes is negative")
    }
    headers = try Self.list(of: request.headers, target: target)
    self.request = request
    let timeout = max(.milliseconds(1), min(request.timeout, Self.longestTimeout))
    deadline = .now + timeout
  }

  deinit { curl_slist_free_all(headers) }

  /// Those that frame the message or steer the connection.
  private static let reserved: Set<String> = [
    "connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
  ]

  private static func list(
    of headers: [(String, String)], target: ClientTarget
  ) throws(ClientRefusal) -> UnsafeMutablePointer<curl_slist> {
    // "Name:" keeps libcurl from sending that header on its own account.
    var lines = ["Expect:"]
    var hasContentType = false
    for (name, value) in headers {
      guard !name.isEmpty, name.utf8.allSatisfy(isToken) else {
        throw ClientRefusal(reason: "a header name is no HTTP token")
      }
      guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
        throw ClientRefusal(reason: "header \(name) has a control character in its value")
      }
      let lowercased = name.lowercased()
      if reserved.contains(lowercased) {
        throw ClientRefusal(reason: "header \(name) belongs to the client")
      }
      if lowercased == "host" {
        guard target.isNamed(by: value) else {
          throw ClientRefusal(reason: "header Host differs from the URL")
        }
        continue
      }
      hasContentType = hasContentType || lowercased == "content-type"
      let isBlank = value.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 }
      lines.append(isBlank ? "\(name);" : "\(name): \(value)")
    }
    if !hasContentType { lines.append("Content-Type:") }
    var list: UnsafeMutablePointer<curl_slist>?
    for line in lines {
      guard let longer = curl_slist_append(list, line) else {
        curl_slist_free_all(list)
        throw ClientRefusal(reason: "out of memory")
      }
      list = longer
    }
    guard let list else { throw ClientRefusal(reason: "out of memory") }
    return list
  }

  /// RFC 9110 section 5.6.2.
  private static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default:
      tokenPunctuation.contains(byte)
    }
  }

  private static let tokenPunctuation = Array("!#$%&'*+-.^_`|~".utf8)
}

extension ClientTarget {
  /// Whether a Host header says the same as the URL.
  fileprivate func isNamed(by value: String) -> Bool {
    let name = literal?.bytes.count == 16 ? "[\(host)]" : host
    let isDefault = port == (isSecure ? 443 : 80)
    let value = value.lowercased()
    return value == "\(name):\(port)" || isDefault && value == name
  }
}
