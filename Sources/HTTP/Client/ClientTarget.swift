import CLibCurl
import Foundation

/// Where a URL leads, as libcurl itself reads it: one parser, so that no URL can mean one host to the
/// check and another to the connection.
struct ClientTarget: Sendable, Hashable {
  /// Lower case, without brackets, numeric forms brought to a dotted quad.
  let host: String
  let port: Int
  let isSecure: Bool
  /// The address when the host is one.
  let literal: ClientAddress?

  static let maximumURLBytes = 8192

  static func parse(_ url: String) throws(ClientRefusal) -> ClientTarget {
    guard url.utf8.count <= maximumURLBytes else { throw ClientRefusal(reason: "URL is too long") }
    guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") }) else {
      throw ClientRefusal(
        reason: "URL has a character outside printable ASCII (use percent-encoding and xn-- names)")
    }
    guard let parts = curl_url() else { throw ClientRefusal(reason: "out of memory") }
    defer { curl_url_cleanup(parts) }
    let code = curl_url_set(parts, CURLUPART_URL, url, UInt32(CURLU_DISALLOW_USER))
    guard code != CURLUE_USER_NOT_ALLOWED else {
      throw ClientRefusal(reason: "URL has a user name or password")
    }
    guard code == CURLUE_OK else { throw ClientRefusal(reason: "URL is malformed") }
    let scheme = part(CURLUPART_SCHEME, of: parts)?.lowercased()
    guard scheme == "http" || scheme == "https" else {
      throw ClientRefusal(reason: "URL scheme is neither http nor https")
    }
    guard let host = part(CURLUPART_HOST, of: parts)?.lowercased(), !host.isEmpty,
      let port = part(CURLUPART_PORT, of: parts, flags: UInt32(CURLU_DEFAULT_PORT)).flatMap({
        Int($0)
      }),
      (1...65535).contains(port)
    else { throw ClientRefusal(reason: "URL has no usable host or port") }
    guard part(CURLUPART_ZONEID, of: parts) == nil else {
      throw ClientRefusal(reason: "URL has an IPv6 zone")
    }
    return try ClientTarget(host: host, port: port, isSecure: scheme == "https")
  }

  private init(host: String, port: Int, isSecure: Bool) throws(ClientRefusal) {
    self.port = port
    self.isSecure = isSecure
    if host.hasPrefix("["), host.hasSuffix("]") {
      let inner = String(host.dropFirst().dropLast())
      guard let address = ClientAddress(literal: inner) else {
        throw ClientRefusal(reason: "URL has a malformed IPv6 address")
      }
      self.host = inner
      literal = address
      return
    }
    guard host.utf8.allSatisfy(Self.isNameByte) else {
      throw ClientRefusal(reason: "URL host has a character that no host name has")
    }
    self.host = host
    literal = ClientAddress(literal: host)
    guard literal != nil || !Self.looksNumeric(host) else {
      throw ClientRefusal(reason: "URL host is a number but no IPv4 address")
    }
  }

  /// What is known without resolving the name; nil when nothing forbids it.
  func refusal(allowPrivate: Bool) -> ClientRefusal? {
    if allowPrivate { return nil }
    if let literal {
      return literal.forbiddenKind.map { .forbidden(literal.description, kind: $0) }
    }
    let name = host.hasSuffix(".") ? String(host.dropLast()) : host
    if name == "localhost" || name.hasSuffix(".localhost") {
      return .forbidden(host, kind: "loopback")
    }
    return nil
  }

  /// A last label of digits, or in hexadecimal: some resolvers take it for an address (`0177.1`, `0x7f.1`).
  private static func looksNumeric(_ host: String) -> Bool {
    guard let last = host.split(separator: ".").last else { return true }
    return last.utf8.allSatisfy { (0x30...0x39).contains($0) } || last.hasPrefix("0x")
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default:
      false
    }
  }

  private static func part(
    _ part: CURLUPart, of parts: OpaquePointer, flags: UInt32 = 0
  ) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    guard curl_url_get(parts, part, &text, flags) == CURLUE_OK, let text else { return nil }
    defer { curl_free(text) }
    return String(cString: text)
  }
}
