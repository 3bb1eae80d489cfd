import Foundation
import HTTP
import JSON

extension SourcePull {
  static func secretName(_ header: String) -> String { "pull.headers.\(header)" }

  /// The `pull` of a source's document; its secrets go to `secrets`.
  init?(_ reader: ObjectReader, allowPrivate: Bool, _ secrets: inout SecretFields) {
    let before = reader.faults.count
    let url = Self.url(reader, allowPrivate: allowPrivate)
    let headers = Self.headers(reader, &secrets)
    let every = Self.span(reader, "every", "10s", "30d", required: true)
    let timeout = Self.span(reader, "timeout", "1s", "30s", required: false) ?? TimeSpan("10s")
    let items = reader.jsonPointer("items") ?? .root
    let next = Self.next(reader)
    let cursor = reader.object("cursor").flatMap(Self.cursor)
    reader.finish()
    guard let url, let every, let timeout, let next, reader.faults.count == before else {
      return nil
    }
    self.init(
      url: url, headers: headers, every: every, items: items, next: next, cursor: cursor,
      timeout: timeout)
  }

  private static func span(
    _ reader: ObjectReader, _ key: String, _ low: String, _ high: String, required: Bool
  ) -> TimeSpan? {
    guard let low = TimeSpan(low), let high = TimeSpan(high) else { return nil }
    return reader.duration(key, required: required, range: low...high)
  }

  private static func url(_ reader: ObjectReader, allowPrivate: Bool) -> String? {
    guard let url = reader.string("url", required: true, minLength: 1, maxLength: 2048) else {
      return nil
    }
    if let refusal = HTTPClient.refusal(forURL: url, allowPrivate: allowPrivate) {
      reader.add("forbidden_url", "url", "This URL cannot be used: \(refusal).")
    }
    if url.contains("#") { reader.add(.invalidFormat, "url", "Leave the fragment out.") }
    return url
  }

  private static let ownHeaders: Set<String> = [
    "host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te",
    "keep-alive", "proxy-authorization", "proxy-connection", "trailer",
  ]

  /// A value is a text, or `{"secret": "…"}`.
  private static func headers(
    _ reader: ObjectReader, _ secrets: inout SecretFields
  ) -> [Header] {
    guard let object = reader.object("headers") else { return [] }
    var headers: [Header] = []
    if object.object.count > 20 { reader.add(.tooLong, "headers", "At most 20 headers are sent.") }
    for (key, json) in object.object.prefix(20) {
      object.allow(key)
      let name = key.lowercased()
      guard HeaderName.isValid(name), !ownHeaders.contains(name),
        !headers.contains(where: { $0.name == name })
      else {
        object.add(.invalidFormat, key, "This header cannot be set.")
        continue
      }
      if case .object = json, let secret = object.object(key) {
        secrets.take("secret", as: secretName(name), required: true, secret) {
          isFieldValue($0) ? nil : fieldExpectation
        }
        secret.finish()
        headers.append(Header(name: name, value: .secret))
      } else if let text = object.string(key, maxLength: 1024) {
        if !isFieldValue(text) { object.add(.invalidFormat, key, fieldExpectation) }
        headers.append(Header(name: name, value: .plain(text)))
      }
    }
    return headers
  }

  private static let fieldExpectation = "Printable ASCII on one line is expected here."

  private static func isFieldValue(_ text: String) -> Bool {
    text.utf8.allSatisfy { 0x20...0x7E ~= $0 }
  }

  private static func cursor(_ reader: ObjectReader) -> Cursor? {
    let pointer = reader.jsonPointer("pointer", required: true)
    let parameter = reader.string("parameter", required: true, minLength: 1, maxLength: 64)
    let initial = reader.value("initial")
    if let initial, initial.scalarText == nil {
      reader.add(.typeMismatch, "initial", "A text or number is expected here.")
    }
    reader.finish()
    guard let pointer, let parameter else { return nil }
    return Cursor(pointer: pointer, parameter: parameter, initial: initial)
  }

  /// A pointer, or `{"url" | "token" | "link" | "page" | "last": …}`.
  private static func next(_ reader: ObjectReader) -> Next? {
    guard let json = reader.value("next") else { return Next.none }
    if case .string = json { return reader.jsonPointer("next").map(Next.url) }
    guard let object = reader.object("next") else { return nil }
    let next: Next?
    if object.has("url") {
      next = object.jsonPointer("url").map(Next.url)
    } else if object.has("link") {
      if object.string("link") != "next" {
        object.add(.invalidChoice, "link", "'next' is expected here.")
      }
      next = .link
    } else if object.has("page") {
      let first = object.int("first", range: 0...1_000_000) ?? 1
      next = object.string("page", minLength: 1, maxLength: 64).map {
        .page(parameter: $0, first: first)
      }
    } else {
      let parameter = object.string("parameter", required: true, minLength: 1, maxLength: 64)
      let last = object.jsonPointer("last")
      let token = object.jsonPointer("token", required: !object.has("last"))
      next = parameter.flatMap { parameter in
        token.map { .token($0, parameter: parameter) }
          ?? last.map { .last($0, parameter: parameter) }
      }
    }
    object.finish()
    return next
  }
}
