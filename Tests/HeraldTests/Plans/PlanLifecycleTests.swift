import Testing

@testable import Herald

@Suite("The lifecycle of a plan's version") struct PlanLifecycleTests {
  /// Every move there is; what is not here is refused.
  private static let moves: [PlanState: [PlanMove: PlanState]] = [
    .draft: [.edit: .draft, .submit: .pendingApproval],
    .pendingApproval: [.edit: .draft, .approve: .approved, .reject: .rejected, .expire: .draft],
    .rejected: [.edit: .draft],
    .approved: [
      .launch: .live, .pause: .paused, .cancel: .cancelled, .supersede: .superseded,
    ],
    .live: [
      .pause: .paused, .complete: .completed, .cancel: .cancelled, .supersede: .superseded,
    ],
    .paused: [.resume: .live, .cancel: .cancelled, .supersede: .superseded],
    .completed: [:], .cancelled: [:], .superseded: [:],
  ]

  @Test("every state answers every move as the table says", arguments: PlanState.allCases)
  func table(state: PlanState) throws {
    let allowed = try #require(Self.moves[state])
    for move in PlanMove.allCases {
      #expect(PlanLifecycle.next(state, move) == allowed[move], "\(state) \(move)")
    }
  }

  @Test("a refused move is a 409 that says what is possible instead")
  func refusal() {
    #expect {
      try PlanLifecycle.after(.pendingApproval, .submit)
    } throws: { error in
      let error = error as? HeraldError
      return error?.code == .wrongState && error?.message.contains("edit, approve, reject") == true
    }
  }

  @Test(
    "what is over is never live again", arguments: [PlanState.completed, .cancelled, .superseded])
  func over(state: PlanState) {
    #expect(PlanMove.allCases.allSatisfy { PlanLifecycle.next(state, $0) == nil })
  }
}
