import Cryptography
import Foundation
import JSON

extension SourceSignature {
  static let secretField = "signature.secret"
  static let previousField = "signature.previous_secret"

  /// The `signature` of a source's document; its secrets go to `secrets`.
  init?(_ reader: ObjectReader, _ secrets: inout SecretFields) {
    let before = reader.faults.count
    let scheme = reader.choice("scheme", Scheme.self, required: true)
    let method = scheme.flatMap { Self.method($0, reader) }
    if scheme != Scheme.none {
      secrets.take("secret", as: Self.secretField, required: true, reader) {
        Self.refusal($0, scheme)
      }
      secrets.take("previous_secret", as: Self.previousField, required: false, reader) {
        Self.refusal($0, scheme)
      }
    }
    previousUntil = reader.instant(
      "previous_secret_until", required: reader.has("previous_secret"))
    if previousUntil != nil, !reader.has("previous_secret") {
      reader.add(.required, "previous_secret", "The secret that is good until then is needed.")
    }
    if scheme != .token, scheme != Scheme.none, let low = TimeSpan("1s"), let high = TimeSpan("1d")
    {
      tolerance = reader.duration("tolerance", range: low...high) ?? .webhookTolerance
    }
    reader.finish()
    guard let scheme, let method, reader.faults.count == before else { return nil }
    self.scheme = scheme
    self.method = method
  }

  private static func method(_ scheme: Scheme, _ reader: ObjectReader) -> Method? {
    switch scheme {
    case .hmac: hmac(reader).map(Method.hmac)
    case .token: token(reader).map(Method.token)
    default: preset(scheme)
    }
  }

  private static func hmac(_ reader: ObjectReader) -> HMAC? {
    let header = reader.headerName("header", required: true)
    let encoding = reader.choice("encoding", Encoding.self, required: true)
    let prefix = reader.string("prefix", maxLength: 32) ?? ""
    let content = content(reader)
    let id = reader.headerName("id_header")
    let timestamp = reader.headerName("timestamp_header")
    if let content {
      if content.contains(.id), id == nil, !reader.has("id_header") {
        reader.add(.required, "id_header", "The header of the id that is signed is needed.")
      }
      if content.contains(.timestamp) != (timestamp != nil), !reader.has("timestamp_header") {
        reader.add(
          .required, "timestamp_header", "The header of the time that is signed is needed.")
      } else if timestamp != nil, !content.contains(.timestamp) {
        reader.add(
          .invalidFormat, "content", "A time that is not signed proves nothing: name {timestamp}.")
      }
    }
    guard let header, let encoding, let content else { return nil }
    return HMAC(
      header: header, encoding: encoding, prefix: prefix, content: content, idHeader: id,
      timestampHeader: timestamp)
  }

  /// `{timestamp}.{body}`; the body alone when absent.
  private static func content(_ reader: ObjectReader) -> [Piece]? {
    guard let text = reader.string("content", minLength: 1, maxLength: 256) else {
      return reader.has("content") ? nil : [.body]
    }
    var pieces: [Piece] = []
    var rest = text[...]
    let names: [(String, Piece)] = [
      ("{id}", .id), ("{timestamp}", .timestamp), ("{body}", .body),
    ]
    while !rest.isEmpty {
      if let (name, piece) = names.first(where: { rest.hasPrefix($0.0) }) {
        pieces.append(piece)
        rest = rest.dropFirst(name.count)
      } else {
        let literal = rest.prefix(1) + rest.dropFirst().prefix { $0 != "{" }
        pieces.append(.text(String(literal)))
        rest = rest.dropFirst(literal.count)
      }
    }
    guard pieces.count(where: { $0 == .body }) == 1 else {
      reader.add(
        .invalidFormat, "content",
        "What is signed is expected here, with {body} once, such as '{timestamp}.{body}'.")
      return nil
    }
    return pieces
  }

  private static func token(_ reader: ObjectReader) -> TokenPlace? {
    let header = reader.headerName("header")
    let query = reader.string("query", minLength: 1, maxLength: 64)
    let prefix = reader.string("prefix", maxLength: 32) ?? ""
    if reader.has("header") == reader.has("query") {
      reader.faults.add(
        .required, at: reader.pointer,
        "Either the header or the query parameter of the token is needed.")
    }
    return header.map { .header($0, prefix: prefix) } ?? query.map { .query($0) }
  }

  private static func refusal(_ secret: String, _ scheme: Scheme?) -> String? {
    guard scheme == .standardWebhooks else {
      return secret.utf8.count < 8 ? "A secret has at least 8 bytes." : nil
    }
    do throws(StandardWebhooks.Failure) {
      _ = try StandardWebhooks.sign(id: "check", timestamp: 0, body: [], secret: secret)
      return nil
    } catch {
      return "'whsec_' and the base64 of 24 to 64 random bytes is expected here."
    }
  }
}

/// The secrets of a document as it is read: those given, and those to be kept because they read `***`.
struct SecretFields: Sendable {
  private(set) var given = JSONObject()
  private(set) var kept: [(name: String, pointer: JSONPointer)] = []

  /// How a secret shows in answers; in a PUT it means: as it is.
  static let mask = "***"

  mutating func take(
    _ key: String, as name: String, required: Bool, _ reader: ObjectReader,
    refusal: (String) -> String?
  ) {
    guard let secret = reader.string(key, required: required, minLength: 1, maxLength: 4096) else {
      return
    }
    if secret == Self.mask {
      kept.append((name, reader.pointer.appending(key)))
    } else if let refusal = refusal(secret) {
      reader.add(.invalidFormat, key, refusal)
    } else {
      given[name] = .string(secret)
    }
  }
}
