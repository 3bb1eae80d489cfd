import Foundation
import JSON

/// One submission of a plan's version and what became of it.
public struct Approval: Sendable {
  public enum State: String, Sendable, CaseIterable {
    case pending, approved, rejected, superseded
    /// Nobody decided in time.
    case expired
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
  let demand: ApprovalDemand
  let lint: JSONValue
  let expiresAt: Date?
  let reminders: Int
  /// In the order they were made.
  var decisions: [ApprovalDecision] = []
  var comments: [ApprovalComment] = []

  /// How far the stages are.
  var progress: ApprovalProgress { ApprovalProgress(demand.stages, decisions) }
}

/// What one approver said.
public struct ApprovalDecision: Sendable, Equatable {
  public enum Verdict: String, Sendable, CaseIterable { case approved, rejected }

  /// Position among the stages.
  public let stage: Int
  public let verdict: Verdict
  public let principal: String
  public let keyID: UUID
  public let comment: String?
  public let at: Date
}

public struct ApprovalComment: Sendable {
  public let id: UUID
  public let principal: String
  public let text: String
  public let at: Date
}

/// Which stage is open, and who has agreed so far.
struct ApprovalProgress: Sendable, Equatable {
  let stages: [ApprovalStage]
  /// Who agreed in each stage.
  let agreed: [[String]]

  init(_ stages: [ApprovalStage], _ decisions: [ApprovalDecision]) {
    self.stages = stages
    agreed = stages.indices.map { stage in
      decisions.filter { $0.stage == stage && $0.verdict == .approved }.map(\.principal)
    }
  }

  /// The first stage that is not full; nil when all are.
  var open: Int? { stages.indices.first { agreed[$0].count < stages[$0].approvers } }

  /// Whether one more agreement in the open stage is the last one needed.
  var isLastMissing: Bool {
    guard let open else { return false }
    return open == stages.count - 1 && agreed[open].count == stages[open].approvers - 1
  }
}
