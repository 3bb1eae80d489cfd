import Foundation
import JSON

extension Demo {
  func define() async throws {
    terminal.heading("3  Tags, templates, senders")
    for (key, document) in DemoCampaign.tags {
      try await people.operator_.call("PUT", "/v1/tags/\(key)", document)
    }
    for (key, document) in DemoCampaign.templates {
      try await people.operator_.call("PUT", "/v1/templates/\(key)", document)
    }
    for channel in ["push", "sms"] {
      try await people.admin.call(
        "PUT", "/v1/senders/gateway-\(channel)",
        DemoCampaign.sender(channel, gateway: addresses.gateway, secret: herald.gatewaySecret))
    }
    let names = { (things: [(key: String, document: JSONValue)]) in
      things.map(\.key).joined(separator: ", ")
    }
    terminal.say("  tags       \(names(DemoCampaign.tags))")
    terminal.say("  templates  \(names(DemoCampaign.templates))")
    terminal.say("  senders    gateway-push, gateway-sms")
  }

  func importAll() async throws {
    terminal.heading("4  Import")
    let people = DemoPeople(purchases: purchases).ndjson()
    try await load("users", people, "users.ndjson", of: purchases.byCustomer.count)
    try await load("events", purchases.eventsCSV(), "order_paid.csv", of: purchases.all.count)
  }

  private func load(
    _ kind: String, _ bytes: [UInt8], _ name: String, of expected: Int
  ) async throws {
    let start = ContinuousClock.now
    let path = "\(herald.directory)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let work = JobFollowing(client: people.operator_, terminal: terminal)
    let job = try await work.follow(
      try await work.upload(kind: kind, try UploadFile(path: path)))
    guard job.state == "completed", job.failed == 0, job.done == expected else {
      throw Failure(
        description: "The import of \(kind) is \(job.state): \(job.done) of \(expected) rows, "
          + "\(job.failed) refused. \(job.problem ?? "")")
    }
    terminal.say(
      "  \(TextWidth.pad(kind, to: 9)) \(TextWidth.pad(job.done.grouped, to: 7, right: true)) rows "
        + "of \(name) in \((ContinuousClock.now - start).inSeconds)")
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The segment's size, by Herald.
  func defineSegment() async throws -> (Int, Check) {
    terminal.heading("5  Segment: two purchases or more, none in the last 90 days")
    try await people.operator_.call(
      "PUT", "/v1/segments/\(DemoCampaign.segment)",
      ["name": "Lapsed repeat buyers", "condition": DemoCampaign.condition, "refresh": "live"])
    let asked: JSONValue = ["condition": ["segment": .string(DemoCampaign.segment)]]
    var expected: Set<String>
    var preview: JSONValue
    // Again when the border of the 90 days passed somebody's purchase in between.
    repeat {
      expected = purchases.lapsedRepeaters(now: Date())
      preview = try await people.operator_.call("POST", "/v1/segments/preview", asked)
    } while expected != purchases.lapsedRepeaters(now: Date())
    let count = preview["count"]?.intValue ?? -1
    let reachable = preview["reachable"]
    terminal.say("  people     \(count.grouped) by Herald, \(expected.count.grouped) by the file")
    terminal.say(
      "  reachable  push \((reachable?["push"]?.intValue ?? 0).grouped), "
        + "sms \((reachable?["sms"]?.intValue ?? 0).grouped)")
    try await showTiers(expected)
    return (
      count,
      Check(
        what: "The segment is as large as the file says", holds: count == expected.count,
        figures: "\(count.grouped) = \(expected.count.grouped)")
    )
  }

  private func showTiers(_ members: Set<String>) async throws {
    let insight = try await people.operator_.call(
      "GET", "/v1/segments/\(DemoCampaign.segment)/insight?by=tag:spend_tier")
    var table = TextTable(.text("spend tier"), .number("Herald"), .number("file"))
    for tier in Purchases.Tier.allCases {
      let value = insight["values"]?.arrayValue?.first {
        $0["value"]?.stringValue == tier.rawValue
      }
      table.add(
        tier.rawValue, (value?["count"]?.intValue ?? 0).grouped,
        members.count { purchases.tier(of: $0) == tier }.grouped)
    }
    terminal.say(table.lines())
  }

  /// A coupon with room for everybody, and the plan as the operator wrote it and the admin changed it.
  func definePlan(codes: Int) async throws {
    terminal.heading("6  Coupon and plan")
    let stock = (codes / 500 + 1) * 500
    try await people.operator_.call(
      "PUT", "/v1/coupons/\(DemoCampaign.coupon)", DemoCampaign.coupon(codes: stock))
    terminal.say("  coupon  \(DemoCampaign.coupon) 满100减10, \(stock.grouped) codes")
    let path = "/v1/plans/\(DemoCampaign.plan)"
    try await people.operator_.call("PUT", path, DemoCampaign.plan(priority: 50))
    try await people.editor.call("PUT", path, DemoCampaign.plan(priority: 60))
    var table = TextTable(.text("step"), .text("chain"))
    table.add(DemoCampaign.helloStep, "push miss_you_push, else sms miss_you_sms")
    table.add(DemoCampaign.giftStep, "coupon welcome_back")
    table.add(DemoCampaign.tellStep, "push code_push (shows the code)")
    terminal.say(table.lines())
    terminal.say("  written by li.lei, changed by zhao.min; 5 % are held out for comparison")
    let dry = try await people.operator_.call("POST", path + "/dry-run")
    let channels = (dry["by_channel"]?.objectValue?.members ?? []).map {
      "\($0.key) \(($0.value.intValue ?? 0).grouped)"
    }
    terminal.say(
      "  dry run: audience \((dry["audience"]?.intValue ?? 0).grouped), held out "
        + "\((dry["held_out"]?.intValue ?? 0).grouped), \(channels.joined(separator: ", "))")
  }
}
