import Cryptography
import Foundation
import JSON

/// An address nothing is sent to, whoever has it. Only its hash is kept, so that it holds after the
/// person was erased and still does not say who they were.
struct Suppression: Sendable {
  enum Reason: String, Sendable, CaseIterable {
    case bounced, complained, unsubscribed, erased, manual
  }

  /// What a list entry is called: `phone:` and 64 hexadecimal digits.
  struct ID: Sendable, Hashable {
    /// `phone`, `email`, `wechat_openid` or `token`.
    let kind: String
    /// SHA-256 of the normalised value.
    let hash: [UInt8]

    var text: String { "\(kind):\(Hex.encode(hash))" }
  }

  let id: ID
  let reason: Reason
  let createdAt: Date

  static let kinds = ["phone", "email", "wechat_openid", "token"]
}

extension Suppression.ID {
  /// An address as `kind:value`, or the hash of one as an answer gave it. For tokens the value is
  /// `provider:token`.
  init(text: String) throws(IdentityFault) {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    guard parts.count == 2, Suppression.kinds.contains(parts[0]) else {
      throw IdentityFault(
        detail: "An address is written kind:value, such as phone:+8613800138000; the kinds are "
          + "\(Suppression.kinds.joined(separator: ", ")).")
    }
    kind = parts[0]
    if parts[1].utf8.count == 64, let hash = Hex.decode(parts[1]) {
      self.hash = hash
      return
    }
    let value: String
    if kind == "token" {
      guard parts[1].dropFirst().dropLast().contains(":"), parts[1].utf8.count <= 2200 else {
        throw IdentityFault(detail: "A token is written token:provider:value.")
      }
      value = parts[1]
    } else {
      value = try IdentityForm.standard.identity(kind, parts[1]).value
    }
    hash = SHA256.hash(Array(value.utf8))
  }
}
