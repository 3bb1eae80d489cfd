import Foundation
import JSON

extension Demo {
  struct Submission {
    let approval: String
    let hash: String
  }

  func submit() async throws -> Submission {
    terminal.heading("7  Approval")
    let answer = try await people.operator_.call(
      "POST", "/v1/plans/\(DemoCampaign.plan)/submit", ["comment": "Ready for the weekend."])
    guard let id = answer["approval"]?.stringValue, let hash = answer["hash"]?.stringValue else {
      throw Failure(description: "The submission names no approval.")
    }
    terminal.say("  li.lei submits; manifest \(hash.prefix(23))…")
    return Submission(approval: id, hash: hash)
  }

  /// Neither who submitted nor who edited can approve, whatever the role of the key.
  func refuseAuthors(_ submission: Submission) async throws -> Check {
    var table = TextTable(.text("tries to approve"), .number("status"), .text("code"))
    var holds = true
    var reason = ""
    for (who, client, mustBe) in [
      ("li.lei, operator's key", people.operator_, nil),
      ("li.lei, approver's key", people.operatorAsApprover, "self_approval"),
      ("zhao.min, admin's key", people.editor, "self_approval"),
    ] {
      let answer = try await decide(submission, client)
      holds = holds && answer.status == 403 && (mustBe == nil || answer.code == mustBe)
      table.add(who, String(answer.status), answer.code ?? "")
      reason = answer.detail
    }
    terminal.say(table.lines())
    terminal.say(TextWidth.wrap(reason, to: 90).map { "  │ " + $0 })
    return Check(
      what: "Nobody who wrote or edited the plan can approve it", holds: holds,
      figures: "403 self_approval")
  }

  func approve(_ submission: Submission) async throws {
    let answer = try await decide(submission, people.approver)
    guard answer.status == 200 else {
      throw HeraldClient.Refusal(request: "The approval", answer: answer)
    }
    terminal.say("  wang.fang approves: \(answer.json["state"]?.stringValue ?? "")")
  }

  private func decide(
    _ submission: Submission, _ client: HeraldClient
  ) async throws -> HeraldClient.Answer {
    try await client.send(
      "POST", "/v1/approvals/\(submission.approval)/approve",
      ["hash": .string(submission.hash), "comment": "Looks good."])
  }

  /// Shows how many people are through until the plan is completed.
  func awaitCompletion() async throws {
    terminal.heading("8  Dispatch")
    let start = ContinuousClock.now
    while true {
      let plan = try await people.operator_.call("GET", "/v1/plans/\(DemoCampaign.plan)")
      let live = plan["live_version"]?.intValue
      let version = plan["versions"]?.arrayValue?.first { $0["version"]?.intValue == live }
      let state = version?["state"]?.stringValue ?? ""
      if state == "completed" { break }
      guard ["approved", "live"].contains(state) else {
        throw Failure(
          description: "The plan is '\(state)': \(version?["state_reason"]?.stringValue ?? "")")
      }
      let books = DemoBooks(try await accounting())
      terminal.progress(
        "sending", books.through, of: books.targeted,
        note: "\(books.through.grouped) of \(books.targeted.grouped) people through, "
          + "\(books.sent.grouped) messages and coupons out")
      try await Task.sleep(for: .milliseconds(200))
    }
    terminal.endProgress()
    let books = DemoBooks(try await accounting())
    terminal.say(
      "  \(books.sent.grouped) messages and coupons for \(books.targeted.grouped) people in "
        + "\((ContinuousClock.now - start).inSeconds)")
    await herald.endGateway()
  }

  func accounting() async throws -> JSONValue {
    try await people.operator_.call("GET", "/v1/plans/\(DemoCampaign.plan)/accounting")
  }
}
