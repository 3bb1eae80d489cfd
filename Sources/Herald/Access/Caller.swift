import Conditions
import Foundation

/// Who makes a request: the key and the principal behind it.
public struct Caller: Sendable {
  public let keyID: UUID
  public let principal: String
  public let role: Role
  /// ANDed onto every set of users this caller sees or targets.
  public let userScope: Condition?
  public let requestID: String?

  public init(
    keyID: UUID, principal: String, role: Role, userScope: Condition? = nil,
    requestID: String? = nil
  ) {
    self.keyID = keyID
    self.principal = principal
    self.role = role
    self.userScope = userScope
    self.requestID = requestID
  }

  /// Herald itself: launches, seals, retention.
  public static let herald = Caller(
    keyID: UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), principal: "herald",
    role: .admin)

  /// Personal fields are masked for this caller.
  public var seesMasked: Bool { role == .analyst }

  /// Throws 403 `forbidden`, naming the roles that may.
  func mustBe(_ roles: Set<Role>) throws {
    guard !roles.contains(role) else { return }
    let allowed = roles.map(\.rawValue).sorted().joined(separator: ", ")
    throw HeraldError(
      .forbidden, "A key of role '\(role.rawValue)' may not do this; use one of: \(allowed).")
  }

  /// Throws 403 `forbidden` for a key with a user scope; `sentence` says what is everybody's.
  func mustSeeEverybody(_ sentence: String) throws {
    guard userScope == nil else {
      throw HeraldError(.forbidden, "This key sees a part of the users only\(sentence)")
    }
  }

  func with(requestID: String) -> Caller {
    Caller(
      keyID: keyID, principal: principal, role: role, userScope: userScope, requestID: requestID)
  }
}

extension Caller {
  /// On open endpoints; its role reads and writes nothing by itself.
  static func anonymous(requestID: String) -> Caller {
    Caller(
      keyID: Caller.herald.keyID, principal: "anonymous", role: .ingest, requestID: requestID)
  }
}
