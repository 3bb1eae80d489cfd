import Foundation
import JSON

/// One submission of a plan's version and what became of it.
public struct Approval: Sendable {
  public enum State: String, Sendable, CaseIterable {
    case pending, approved, rejected, superseded
  }

  public let id: UUID
  public let plan: String
  public let version: Int
  public let hash: String
  public let manifest: JSONValue
  public let dryRun: JSONValue
  public let diff: JSONValue
  public let comment: String?
  public let state: State
  public let submittedBy: String
  public let submittedAt: Date
  public let decidedBy: String?
  public let decidedAt: Date?
  public let decisionComment: String?
}
