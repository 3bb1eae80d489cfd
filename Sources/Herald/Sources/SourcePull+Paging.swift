import Foundation
import JSON

/// A page as it was fetched.
struct PulledPage: Sendable {
  let url: String
  let body: JSONValue
  /// The `Link` header.
  let link: String?
}

/// Why a run cannot go on; shown with the source.
struct PullFault: Error, Sendable, Equatable {
  let detail: String
  var retryAfter: Duration?
  /// The server does not know what was asked for.
  var isRefusal = false
}

extension SourcePull {
  func url(of position: PullPosition, base: JSONValue?) -> String {
    switch position {
    case .url(let url): return url
    case .first:
      var url = withCursor(base)
      if case .page(let parameter, let first) = next {
        url = Self.adding(parameter, String(first), to: url)
      }
      return url
    case .page(let number):
      guard case .page(let parameter, _) = next else { return withCursor(base) }
      return Self.adding(parameter, String(number), to: withCursor(base))
    case .token(let value), .last(let value):
      switch next {
      case .token(_, let parameter), .last(_, let parameter):
        return Self.adding(parameter, value, to: withCursor(base))
      case .none, .url, .link, .page: return withCursor(base)
      }
    }
  }

  private func withCursor(_ base: JSONValue?) -> String {
    guard let cursor, let value = (base ?? cursor.initial)?.scalarText else { return url }
    return Self.adding(cursor.parameter, value, to: url)
  }

  static func adding(_ name: String, _ value: String, to url: String) -> String {
    func escaped(_ text: String) -> String {
      text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
    }
    return "\(url)\(url.contains("?") ? "&" : "?")\(escaped(name))=\(escaped(value))"
  }

  private static let unreserved = CharacterSet(
    charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

  /// The items of a page.
  func elements(of page: PulledPage) throws(PullFault) -> [JSONValue] {
    guard let elements = page.body[items]?.arrayValue else {
      throw PullFault(detail: "The answer has no array at '\(items)'.")
    }
    guard elements.count <= SourceMapping.itemLimit else {
      throw PullFault(
        detail: "A page has \(elements.count) items; ask for at most \(SourceMapping.itemLimit).")
    }
    return elements
  }

  /// Where the run goes on; nil at its end.
  func position(
    after page: PulledPage, at position: PullPosition, _ elements: [JSONValue]
  ) throws(PullFault) -> PullPosition? {
    switch next {
    case .none: return nil
    case .url(let pointer):
      guard let text = page.body[pointer]?.stringValue, !text.isEmpty else { return nil }
      return .url(try sameOrigin(text, page.url))
    case .link:
      guard let target = page.link.flatMap(LinkHeader.next) else { return nil }
      return .url(try sameOrigin(target, page.url))
    case .token(let pointer, _):
      guard let token = page.body[pointer]?.scalarText, !token.isEmpty else { return nil }
      if position == .token(token) {
        throw PullFault(detail: "The page names itself as the next one.")
      }
      return .token(token)
    case .page(_, let first):
      guard !elements.isEmpty else { return nil }
      if case .page(let number) = position { return .page(number + 1) }
      return .page(first + 1)
    case .last(let pointer, _):
      guard let last = elements.last else { return nil }
      guard let value = last[pointer]?.scalarText else {
        throw PullFault(detail: "The last item of the page has nothing at '\(pointer)'.")
      }
      if position == .last(value) {
        throw PullFault(detail: "The page after '\(value.prefix(64))' ends where it began.")
      }
      return .last(value)
    }
  }

  /// Absolute. The headers hold secrets: they go nowhere but where the source's own URL leads.
  private func sameOrigin(_ target: String, _ current: String) throws(PullFault) -> String {
    guard let base = URL(string: current), let own = URL(string: url),
      let next = URL(string: target, relativeTo: base)?.absoluteURL
    else { throw PullFault(detail: "The next page's URL cannot be read.") }
    guard next.scheme == own.scheme, next.host == own.host, next.effectivePort == own.effectivePort
    else { throw PullFault(detail: "The next page lies on another server; it is not followed.") }
    guard next.absoluteString != current else {
      throw PullFault(detail: "The page names itself as the next one.")
    }
    return next.absoluteString
  }

  /// The higher of what was seen and the items' own values.
  func highest(_ known: JSONValue?, _ elements: [JSONValue]) -> JSONValue? {
    guard let cursor else { return nil }
    var highest = known
    for element in elements {
      guard let value = element[cursor.pointer], value.scalarText != nil else { continue }
      if let present = highest, !CursorOrder.isHigher(value, than: present) { continue }
      highest = value
    }
    return highest
  }
}

/// The order of a cursor's values: of numbers by size, of instants by time, else of texts by bytes.
enum CursorOrder {
  static func isHigher(_ left: JSONValue, than right: JSONValue) -> Bool {
    if let left = left.numberValue, let right = right.numberValue { return right < left }
    guard let left = left.scalarText, let right = right.scalarText else { return false }
    if let left = Date(rfc3339: left), let right = Date(rfc3339: right) { return right < left }
    if let left = JSONNumber(left), let right = JSONNumber(right) { return right < left }
    return right.utf8.lexicographicallyPrecedes(left.utf8)
  }
}

enum LinkHeader {
  /// The target with `rel="next"`.
  static func next(_ header: String) -> String? {
    for link in header.split(separator: "<") {
      guard let end = link.firstIndex(of: ">") else { continue }
      let parameters = link[link.index(after: end)...].split(separator: ";").map {
        $0.filter { $0 != " " && $0 != "\t" && $0 != "\"" && $0 != "," }.lowercased()
      }
      if parameters.contains("rel=next") { return String(link[..<end]) }
    }
    return nil
  }
}

extension URL {
  fileprivate var effectivePort: Int { port ?? (scheme == "https" ? 443 : 80) }
}
