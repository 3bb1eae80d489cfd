import Foundation
import JSON

extension Demo {
  func showAccounting() async throws -> Check {
    terminal.heading("9  Accounting and report")
    let books = DemoBooks(try await accounting())
    terminal.say("  people     targeted = held out + skipped at entry + active + finished + exited")
    terminal.say(
      "             \(books.targeted.grouped) = \(books.heldOut.grouped) + "
        + "\(books.skippedAtEntry.total.grouped) + \(books.active.grouped) + "
        + "\(books.finished.grouped) + \(books.exited.total.grouped)")
    terminal.say()
    var steps = TextTable(
      .text("step"), .number("entered"), .text("="), .number("sent"), .number("failed"),
      .number("skipped"), .number("pending"), .number("unknown"), .text("skipped because"))
    for step in books.steps {
      steps.add(
        step.id, step.entered.grouped, "=", step.sent.grouped, step.failed.grouped,
        step.skipped.total.grouped, step.pending.grouped, step.unknown.grouped, step.skipped.text)
    }
    terminal.say(steps.lines())
    terminal.say()
    let codes = books.attempts.first?.counts.map(\.code) ?? []
    var attempts = TextTable([.text("attempts")] + codes.map { .number($0) })
    for (channel, counts) in books.attempts {
      attempts.add([channel] + counts.map(\.count.grouped))
    }
    terminal.say(attempts.lines())
    let holds =
      books.isBalanced && books.targeted == books.accounted && books.targeted > 0
      && books.steps.allSatisfy { $0.entered == $0.accounted && $0.pending + $0.unknown == 0 }
    return Check(
      what: "The accounting balances on all levels", holds: holds,
      figures: "\(books.targeted.grouped) people, "
        + "\(books.steps.reduce(0) { $0 + $1.entered }.grouped) deliveries, "
        + "\(books.attempts.reduce(0) { $0 + $1.counts.total }.grouped) attempts")
  }

  func showReport() async throws {
    for by in ["step", "channel"] {
      let report = try await people.operator_.call(
        "GET", "/v1/plans/\(DemoCampaign.plan)/report?by=\(by)")
      let figures = ["sent", "delivered", "opened", "clicked", "failed", "skipped"]
      var table = TextTable(
        [.text("report by \(by)")] + figures.map { .number($0) }
          + [.number("CTR"), .number("coupons")])
      func cells(_ name: String, _ row: JSONValue) -> [String] {
        let ctr = row["ctr"]?.doubleValue.map { Self.percent($0) } ?? "–"
        let coupons = row["coupons_issued"]?.intValue ?? 0
        return [name] + figures.map { (row[$0]?.intValue ?? 0).grouped } + [ctr, coupons.grouped]
      }
      for row in report["rows"]?.arrayValue ?? [] {
        table.add(cells(row["key"]?.stringValue ?? "", row))
      }
      if by == "step", let totals = report["totals"] {
        table.rule()
        table.add(cells("all", totals))
      }
      terminal.say()
      terminal.say(table.lines())
    }
  }

  /// The way of one person whose push failed and who got the SMS.
  private func explainSomebody(_ deliveries: [DemoLedger.Delivery]) async throws {
    let told = Set(
      deliveries.filter { $0.step == DemoCampaign.tellStep && $0.status == "sent" }.map(\.user))
    let somebody = deliveries.first {
      $0.step == DemoCampaign.helloStep && $0.channel == "sms" && told.contains($0.user)
    }
    guard let id = somebody?.user else { return }
    let user = try await people.operator_.call("GET", "/v1/users/\(id)")
    let answer = try await people.operator_.call(
      "GET", "/v1/users/\(id)/explain?plan=\(DemoCampaign.plan)")
    var table = TextTable(
      .text(user["attributes"]?["name"]?.stringValue ?? ""), .text("outcome"), .text("tries"))
    for decision in answer["decisions"]?.arrayValue ?? [] {
      let tries = (decision["attempts"]?.arrayValue ?? []).map { attempt in
        ["channel", "status", "reason"].compactMap { attempt[$0]?.stringValue }
          .joined(separator: " ")
      }
      table.add(
        decision["step"]?.stringValue ?? "entry", decision["outcome"]?.stringValue ?? "",
        tries.joined(separator: ", then "))
    }
    terminal.say()
    terminal.say(table.lines())
  }

  private static func percent(_ share: Double) -> String {
    let tenths = Int((share * 1000).rounded())
    return "\(tenths / 10).\(tenths % 10) %"
  }

  /// The gateway's log against Herald's tables.
  func compare() async throws -> [Check] {
    let ledger = try await herald.ledger()
    let deliveries = try await ledger.deliveries(of: DemoCampaign.plan)
    try await explainSomebody(deliveries)
    let log = FileManager.default.contents(atPath: herald.gatewayLog) ?? Data()
    let found = DemoComparison(
      deliveries: deliveries, attempts: try await ledger.attempts(of: DemoCampaign.plan),
      log: Array(log))
    for difference in found.differences.prefix(10) { terminal.say("  ! \(difference)") }
    return [
      Check(
        what: "The gateway's log and Herald's tables agree, delivery by delivery",
        holds: found.differences.isEmpty && found.calls > 0 && found.calls == found.attempts,
        figures: "\(found.deliveries.grouped) deliveries, \(found.attempts.grouped) hand-overs, "
          + "\(found.calls.grouped) calls, \(found.differences.count) differences"),
      Check(
        what: "Each push with a code shows its reader's own", holds: found.codesShown > 0,
        figures: "\(found.codesShown.grouped) codes"),
    ]
  }
}
