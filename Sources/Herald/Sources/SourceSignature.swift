import Cryptography
import Foundation
import JSON

/// How the requests of a webhook prove where they come from.
struct SourceSignature: Sendable, Equatable {
  enum Scheme: String, Sendable, CaseIterable {
    case standardWebhooks = "standard_webhooks"
    case shopify, github, stripe, woocommerce
    /// HMAC-SHA256 in a header of one's own.
    case hmac
    /// A shared secret in a header or the query.
    case token
    case none
  }

  enum Encoding: String, Sendable, CaseIterable { case hex, base64 }

  /// A piece of what is signed.
  enum Piece: Sendable, Equatable {
    case id, timestamp, body
    case text(String)
  }

  struct HMAC: Sendable, Equatable {
    /// Names of headers are in lower case.
    var header: String
    var encoding: Encoding
    /// Stands before the signature, such as `sha256=`.
    var prefix = ""
    var content: [Piece] = [.body]
    var idHeader: String?
    /// Holds Unix seconds.
    var timestampHeader: String?
  }

  enum TokenPlace: Sendable, Equatable {
    /// `prefix` stands before the token, such as `Bearer `.
    case header(String, prefix: String)
    case query(String)
  }

  enum Method: Sendable, Equatable {
    case standardWebhooks
    case stripe
    case hmac(HMAC)
    case token(TokenPlace)
    case none
  }

  let scheme: Scheme
  let method: Method
  /// How far a signed time may lie from now, either way.
  var tolerance = TimeSpan.webhookTolerance
  /// Until when the secret before the present one is good too.
  var previousUntil: Date?

  /// What the presets mean.
  static func preset(_ scheme: Scheme) -> Method? {
    switch scheme {
    case .standardWebhooks: .standardWebhooks
    case .stripe: .stripe
    case .shopify:
      .hmac(
        HMAC(
          header: "x-shopify-hmac-sha256", encoding: .base64, idHeader: "x-shopify-webhook-id"))
    case .github:
      .hmac(
        HMAC(
          header: "x-hub-signature-256", encoding: .hex, prefix: "sha256=",
          idHeader: "x-github-delivery"))
    case .woocommerce:
      .hmac(
        HMAC(
          header: "x-wc-webhook-signature", encoding: .base64,
          idHeader: "x-wc-webhook-delivery-id"))
    case .none: Method.none
    case .hmac, .token: nil
    }
  }

  /// Headers that hold a secret or a signature: never kept, never mapped.
  var sensitiveHeaders: Set<String> {
    switch method {
    case .hmac(let hmac): [hmac.header]
    case .token(.header(let name, _)): [name]
    case .standardWebhooks: ["webhook-signature"]
    case .stripe: ["stripe-signature"]
    case .token(.query), .none: []
    }
  }
}

extension TimeSpan {
  static let webhookTolerance = TimeSpan("5m") ?? .maximum
}
