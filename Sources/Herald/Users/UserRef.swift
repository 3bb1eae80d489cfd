import Foundation
import JSON

/// A user as a request names them: by Herald's id, or by one of their identities.
public enum UserRef: Sendable, Hashable {
  case id(UUID)
  case identity(Identity)

  /// `external_id:u-77`, `phone:+8613800138000`, or an id. A path segment must be percent-decoded.
  public init(text: String, form: IdentityForm = .standard) throws(IdentityFault) {
    if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) {
      let value = text[text.utf8.index(after: colon)...]
      self = .identity(try form.identity(String(text[..<colon]), String(value)))
    } else if let id = UUID(uuidString: text) {
      self = .id(id)
    } else {
      throw IdentityFault(
        detail: "A user is named by Herald's id or as kind:value, such as external_id:u-77.")
    }
  }

  public var text: String {
    switch self {
    case .id(let id): id.text
    case .identity(let identity): "\(identity.kind.key):\(identity.value)"
    }
  }
}

extension UserRef {
  /// The user of a path. What names nobody by its form is a 404, like somebody unknown.
  static func inPath(_ text: String) throws -> UserRef {
    do {
      return try UserRef(text: text)
    } catch {
      throw HeraldError(.notFound, "There is no such user. \(error.detail)")
    }
  }

  /// The same answer whether they are unknown, erased, or outside the caller's scope.
  static let notFound = HeraldError(
    .notFound, "There is no such user; check the id, or the identity's kind and value.")
}

extension ObjectReader {
  /// A UserRef as a string in a body.
  func userRef(_ key: String, required: Bool = false) -> UserRef? {
    guard let text = string(key, required: required, minLength: 1, maxLength: 320) else {
      return nil
    }
    do {
      return try UserRef(text: text)
    } catch {
      add(.invalidFormat, key, error.detail)
      return nil
    }
  }
}
