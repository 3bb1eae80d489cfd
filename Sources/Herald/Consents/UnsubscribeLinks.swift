import Cryptography
import Foundation

/// Whom an unsubscribe link is for, and what following it ends.
struct UnsubscribeLink: Sendable, Equatable {
  let user: UUID
  let delivery: UUID
  let subscription: Subscription
}

/// Makes and reads unsubscribe links. The token holds everything and is signed, so that nothing is
/// stored and a link works for as long as HERALD_SECRETS_KEY stays: it never runs out, as the law of
/// several countries asks.
public struct UnsubscribeLinks: Sendable {
  /// Where people reach Herald, without a slash at the end; nil when the operator did not say.
  private let base: String?
  private let key: [UInt8]

  /// First byte of every token: the form of what follows.
  private static let form: UInt8 = 1
  private static let signatureLength = 16

  public init(publicURL: String?, secrets: SecretsKey) {
    base = publicURL
    key = secrets.derived(for: "unsubscribe links")
  }

  /// Nil without a public URL.
  func url(_ link: UnsubscribeLink) -> String? { base.map { "\($0)/u/\(token(link))" } }

  /// A link that leads to the page and ends nothing, for previews; nil without a public URL.
  var example: String? { base.map { "\($0)/u/example" } }

  func token(_ link: UnsubscribeLink) -> String {
    let content =
      [Self.form] + link.user.bytes + link.delivery.bytes + Array(link.subscription.text.utf8)
    return Base64.encodeURL(content + signature(of: content))
  }

  /// Nil for what was not made by this installation.
  func read(_ token: String) -> UnsubscribeLink? {
    guard token.utf8.count <= 512, let bytes = Base64.decodeURL(token),
      bytes.count > 33 + Self.signatureLength, bytes[0] == Self.form
    else { return nil }
    let content = bytes.dropLast(Self.signatureLength)
    guard constantTimeEquals(bytes.suffix(Self.signatureLength), signature(of: Array(content))),
      let user = UUID(prefixOf: Array(content[1..<17])),
      let delivery = UUID(prefixOf: Array(content[17..<33])),
      let subscription = String(validating: content[33...], as: UTF8.self).flatMap(
        Subscription.init)
    else { return nil }
    return UnsubscribeLink(user: user, delivery: delivery, subscription: subscription)
  }

  private func signature(of content: [UInt8]) -> ArraySlice<UInt8> {
    HMACSHA256.authenticate(content, key: key).prefix(Self.signatureLength)
  }
}

extension UUID {
  fileprivate var bytes: [UInt8] { withUnsafeBytes(of: uuid, Array.init) }
}
