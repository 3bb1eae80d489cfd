/// The states of a plan's version and which moves there are between them.
public enum PlanState: String, Sendable, CaseIterable {
  case draft
  case pendingApproval = "pending_approval"
  /// Approved and armed for a later instant.
  case approved
  case live, paused, completed, cancelled, rejected, superseded
}

/// What people and Herald do to a version.
public enum PlanMove: String, Sendable, CaseIterable {
  case edit, submit, approve, reject, expire, launch, pause, resume, complete, cancel, supersede

  /// Somebody can ask for it; the others happen.
  var isCall: Bool {
    switch self {
    case .edit, .submit, .approve, .reject, .pause, .resume, .cancel: true
    case .expire, .launch, .complete, .supersede: false
    }
  }
}

public enum PlanLifecycle {
  /// The state after `move`, or nil when the move is not allowed from `state`.
  public static func next(_ state: PlanState, _ move: PlanMove) -> PlanState? {
    switch (state, move) {
    // An edit takes back a submission: what was submitted is not what stands there now.
    case (.draft, .edit), (.pendingApproval, .edit), (.rejected, .edit): .draft
    case (.draft, .submit): .pendingApproval
    case (.pendingApproval, .approve): .approved
    case (.pendingApproval, .reject): .rejected
    // Nobody decided in time: it can be submitted again as it is.
    case (.pendingApproval, .expire): .draft
    case (.approved, .launch): .live
    case (.approved, .pause), (.live, .pause): .paused
    // Paused before its launch it is armed again; `Plans` tells the two apart.
    case (.paused, .resume): .live
    case (.live, .complete): .completed
    case (.approved, .cancel), (.live, .cancel), (.paused, .cancel): .cancelled
    case (.approved, .supersede), (.live, .supersede), (.paused, .supersede): .superseded
    default: nil
    }
  }

  /// The state after `move`; 409 `wrong_state` with what can be done instead.
  static func after(_ state: PlanState, _ move: PlanMove) throws -> PlanState {
    if let next = next(state, move) { return next }
    let possible = PlanMove.allCases.filter { $0.isCall && next(state, $0) != nil }.map(\.rawValue)
    let advice =
      possible.isEmpty
      ? "Put a new draft instead." : "Possible now: \(possible.joined(separator: ", "))."
    throw HeraldError(
      .wrongState, "A version in state '\(state.rawValue)' cannot \(move.rawValue). \(advice)")
  }
}
