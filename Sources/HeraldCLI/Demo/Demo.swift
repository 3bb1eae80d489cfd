import Foundation
import HTTP
import JSON

/// The demonstration, act by act. Whatever an operator or approver would do goes through the HTTP API
/// with a key of theirs.
struct Demo {
  let herald: ThrowAwayHerald
  let terminal: Terminal
  let purchases: Purchases
  let addresses: ThrowAwayHerald.Addresses
  let people: DemoStaff
  private let started: ContinuousClock.Instant

  /// The people who work with Herald here, each with a key of their own.
  struct DemoStaff: Sendable {
    let admin: HeraldClient
    let operator_: HeraldClient
    /// Another key of the operator's, of role approver.
    let operatorAsApprover: HeraldClient
    let editor: HeraldClient
    let approver: HeraldClient
  }

  struct Check {
    let what: String
    let holds: Bool
    let figures: String
  }

  /// True when all checks hold. `herald` is not ended.
  static func run(
    _ data: DemoData, on herald: ThrowAwayHerald, _ terminal: Terminal
  ) async throws -> Bool {
    let started = ContinuousClock.now
    guard let zone = TimeZone(identifier: DemoCampaign.zone) else { return false }
    let purchases = try Purchases(file: data.name, gzip: data.gzip, now: Date(), zone: zone)
    terminal.say(terminal.bold("Herald: win back the customers of a record shop"))
    terminal.say(
      "  \(purchases.all.count.grouped) purchases of \(purchases.byCustomer.count.grouped) people "
        + "(CDNOW, 1997–98), moved by \(purchases.shift.grouped) days: the last was yesterday")

    terminal.heading("1  A throw-away Herald")
    terminal.progress("starting", 0, of: nil, note: "PostgreSQL, Herald, gateway")
    let addresses = try await herald.start()
    terminal.endProgress()
    terminal.say("  directory  \(herald.directory) (removed at the end)")
    terminal.say("  API        \(addresses.herald)")
    terminal.say("  gateway    \(addresses.gateway), refuses a fifth of the pushes")
    terminal.say("  ready in \((ContinuousClock.now - started).inSeconds)")

    let http = HeraldClient.connection()
    let root = HeraldClient(url: addresses.herald, key: herald.adminKey, http: http)
    let result: Result<Bool, any Error>
    do {
      let demo = Demo(
        herald: herald, terminal: terminal, purchases: purchases, addresses: addresses,
        people: try await DemoStaff(mintedBy: root, terminal), started: started)
      result = .success(try await demo.acts())
    } catch {
      result = .failure(error)
    }
    await http.shutdown(grace: .zero)
    return try result.get()
  }

  private func acts() async throws -> Bool {
    try await define()
    try await importAll()
    let (crowd, segmentCheck) = try await defineSegment()
    try await definePlan(codes: crowd)
    let submission = try await submit()
    let barred = try await refuseAuthors(submission)
    try await approve(submission)
    try await awaitCompletion()
    let balanced = try await showAccounting()
    try await showReport()
    let agreement = try await compare()
    return conclude([segmentCheck, barred, balanced] + agreement)
  }

  private func conclude(_ checks: [Check]) -> Bool {
    terminal.heading("10  Checks")
    let width = checks.map { TextWidth.of($0.what) }.max() ?? 0
    for check in checks {
      let mark = check.holds ? terminal.good("✓") : terminal.bad("✗")
      terminal.say("  \(mark) \(TextWidth.pad(check.what, to: width))  \(check.figures)")
    }
    let time = (ContinuousClock.now - started).inSeconds
    let holds = checks.allSatisfy(\.holds)
    terminal.say()
    terminal.say(
      holds
        ? terminal.bold("All checks hold; \(time) in all.")
        : terminal.bad("A check does not hold; \(time) in all."))
    return holds
  }
}

extension Demo.DemoStaff {
  init(mintedBy root: HeraldClient, _ terminal: Terminal) async throws {
    func key(_ role: String, _ principal: String) async throws -> HeraldClient {
      let answer = try await root.call(
        "POST", "/v1/keys",
        [
          "name": .string("demo \(principal) \(role)"), "role": .string(role),
          "principal": .string(principal),
        ])
      return root.with(key: answer["key"]?.stringValue ?? "")
    }
    admin = root
    operator_ = try await key("operator", "li.lei")
    operatorAsApprover = try await key("approver", "li.lei")
    editor = try await key("admin", "zhao.min")
    approver = try await key("approver", "wang.fang")
    terminal.heading("2  Keys")
    var table = TextTable(.text("principal"), .text("roles"), .text("what they do here"))
    table.add("admin", "admin", "sets up keys and senders")
    table.add("li.lei", "operator, approver", "imports, writes and submits the plan")
    table.add("zhao.min", "admin", "edits the plan")
    table.add("wang.fang", "approver", "approves it")
    terminal.say(table.lines())
  }
}
