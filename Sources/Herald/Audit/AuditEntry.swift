import Foundation
import JSON

/// One change: who, what, before, after. Personal values never stand here, only digests of them.
public struct AuditEntry: Sendable {
  public let at: Date
  public let principal: String
  public let keyID: UUID?
  /// `plan.approved`
  public let action: String
  /// `plan`
  public let subjectKind: String
  public let subject: String
  public let before: JSONValue?
  public let after: JSONValue?
  public let requestID: String?

  public init(
    _ action: String, _ subjectKind: String, _ subject: String, before: JSONValue? = nil,
    after: JSONValue? = nil, by caller: Caller, at: Date
  ) {
    self.at = at
    self.principal = caller.principal
    self.keyID = caller.keyID == Caller.herald.keyID ? nil : caller.keyID
    self.action = action
    self.subjectKind = subjectKind
    self.subject = subject
    self.before = before
    self.after = after
    self.requestID = caller.requestID
  }
}
