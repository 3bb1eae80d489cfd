import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Chains, from the launch to the books") struct ChainTests {
  private static let sms = #"{"channel": "sms", "template": "m"}"#

  private func step(_ scene: CampaignScene) async throws -> JSONValue? {
    try await scene.accounting()["steps"]?["hello"]
  }

  @Test("what went out by two channels is in the row of each in the report, and once in the totals")
  func twice() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      let followUp = #"{"channel": "sms", "template": "m", "after": "10m", "unless": "delivered"}"#
      try await scene.launch(
        PlanText.plan(steps: PlanText.step("hello", PlanText.push + "," + followUp)))
      try await scene.drain(1, 600)
      #expect(scene.sent.count == 6)
      let report = try await scene.herald.call(
        .get, "/v1/plans/hello/report?by=channel", key: scene.admin)
      let rows = report.json["rows"]?.arrayValue ?? []
      #expect(rows.map { $0["key"] } == ["push", "sms"])
      #expect(rows.map { $0["sent"] } == [3, 3] && rows.map { $0["entered"] } == [3, 3])
      #expect(report.json["totals"]?["sent"] == 3)
    }
  }

  @Test("failed on one channel, sent on the next: one delivery, two attempts")
  func fallback() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      scene.herald.channel.reply { message in
        message.channel == .push
          ? .rejected(reason: "bad_token", addressDead: true) : .sent(providerID: nil)
      }
      try await scene.launch(
        PlanText.plan(steps: PlanText.step("hello", PlanText.push + "," + Self.sms)))
      try await scene.drain()
      let books = try await scene.accounting()
      #expect(books["steps"]?["hello"]?["entered"] == 2)
      #expect(books["steps"]?["hello"]?["sent"] == 2)
      #expect(books["attempts"]?["push"]?["failed"] == 2)
      #expect(books["attempts"]?["sms"]?["sent"] == 2)
      #expect(books["balanced"] == true)
      #expect(
        try await scene.herald.count("SELECT count(*) FROM devices WHERE state = 'dead'") == 2)
      let reasons = try await scene.herald.count(
        "SELECT count(*) FROM deliveries WHERE reason IS NULL AND channel = 'sms'")
      #expect(reasons == 2)
    }
  }

  @Test("tried, then nobody to fall back on: failed with the failure's reason, not skipped")
  func triedThenSkipped() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1) { _, user in user["consents"] = ["sms": "denied"] }
      scene.herald.channel.reply { _ in .rejected(reason: "bad_token", addressDead: false) }
      try await scene.launch(
        PlanText.plan(steps: PlanText.step("hello", PlanText.push + "," + Self.sms)))
      try await scene.drain()
      #expect(try await step(scene)?["failed"] == 1)
      #expect(try await step(scene)?["skipped"] == [:])
      let told = try await scene.herald.app.db.read {
        try $0.one("SELECT concat_ws(' ', channel, reason, gate, \"values\") FROM deliveries")?
          .get(0, as: String.self)
      }
      #expect(told == "push bad_token")
    }
  }

  @Test("to be tried again, then too late: skipped, since nothing failed")
  func retriedThenSkipped() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      scene.herald.channel.reply { _ in .retry(after: .seconds(60), reason: "busy") }
      let step = #"{"id": "hello", "not_after": "30s", "send": {"chain": [\#(PlanText.push)]}}"#
      try await scene.launch(PlanText.plan(steps: step))
      try await scene.drain()
      try await scene.drain(120)
      #expect(try await self.step(scene)?["skipped"] == ["expired": 1])
      #expect(try await self.step(scene)?["failed"] == 0)
    }
  }

  @Test(
    "sent stays sent, whatever a follow-up comes to",
    arguments: [
      AttemptOutcome.rejected(reason: "no", addressDead: false), .unknown(reason: "timeout"),
      .sent(providerID: "second"), .retry(after: nil, reason: "503"),
    ])
  func sentStays(outcome: AttemptOutcome) async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      scene.herald.channel.reply { message in
        message.channel == .push ? .sent(providerID: "first") : outcome
      }
      let follow = #"{"channel": "sms", "template": "m", "after": "10m", "unless": "delivered"}"#
      try await scene.launch(
        PlanText.plan(steps: PlanText.step("hello", PlanText.push + "," + follow)))
      try await scene.drain()
      #expect(try await step(scene)?["sent"] == 2)
      #expect(try await scene.states() == ["live"])
      // One of the two was delivered: no follow-up for that one.
      try await scene.herald.execute(
        """
        INSERT INTO receipts (user_id, delivery_id, event, at, run_id, step_id, plan, channel,
          sender, received_at)
        SELECT user_id, id, 'opened', created_at, run_id, step_id, plan, channel, sender, created_at
        FROM deliveries ORDER BY id LIMIT 1
        """)
      try await scene.drain(600, 3600, 3600, 3600, 3600, 3600, 3600, 3600, 3600)
      let texted = Set(scene.herald.channel.messages.filter { $0.channel == .sms }.map(\.userID))
      #expect(texted.count == 1)
      #expect(try await step(scene)?["sent"] == 2)
      #expect(try await scene.states() == ["completed"])
      let first = try await scene.herald.count(
        "SELECT count(*) FROM deliveries WHERE provider_id = 'first' AND channel = 'push'")
      #expect(first == 2)
      #expect(try await scene.accounting()["balanced"] == true)
    }
  }

  @Test("a follow-up that waited for its sender is needless once the receipt is there")
  func waitingFollowUp() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      let follow = #"{"channel": "sms", "template": "m", "after": "10m", "unless": "delivered"}"#
      try await scene.launch(
        PlanText.plan(steps: PlanText.step("hello", PlanText.push + "," + follow)))
      try await scene.drain()
      _ = try await scene.herald.call(.post, "/v1/senders/gw-sms/pause", key: scene.admin)
      try await scene.drain(600)
      try await scene.herald.execute(
        """
        INSERT INTO receipts (user_id, delivery_id, event, at, run_id, step_id, plan, channel,
          sender, received_at)
        SELECT user_id, id, 'delivered', created_at, run_id, step_id, plan, channel, sender,
          created_at FROM deliveries
        """)
      _ = try await scene.herald.call(.post, "/v1/senders/gw-sms/resume", key: scene.admin)
      try await scene.drain(60)
      #expect(scene.sent == ["u-0 push Hi 用户0"])
      #expect(try await scene.states() == ["completed"])
    }
  }

  @Test("retries send the same bytes under the same key, whatever happened to the person meanwhile")
  func sameBytes() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      scene.herald.channel.reply { _ in .retry(after: nil, reason: "503") }
      try await scene.launch(PlanText.plan())
      try await scene.drain()
      try await scene.herald.execute("UPDATE users SET attributes = '{\"name\": \"other\"}'")
      scene.herald.channel.reply { _ in .sent(providerID: nil) }
      try await scene.drain(3600)
      let messages = scene.herald.channel.messages
      #expect(messages.count == 2)
      #expect(Set(messages.map(\.idempotencyKey)).count == 1)
      #expect(messages.first?.content == messages.last?.content)
    }
  }

  @Test("an account at fault pauses its sender; every hand-over keeps a line of its own")
  func senderFault() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      scene.herald.channel.reply { _ in .senderFault(reason: "401") }
      try await scene.launch(PlanText.plan())
      try await scene.drain()
      let sender = try await scene.herald.call(.get, "/v1/senders/gw-push", key: scene.admin)
      #expect(sender.json["state"] == "paused")
      scene.herald.channel.reply { _ in .sent(providerID: nil) }
      _ = try await scene.herald.call(.post, "/v1/senders/gw-push/resume", key: scene.admin)
      try await scene.drain(60)
      let books = try await scene.accounting()
      #expect(books["steps"]?["hello"]?["sent"] == 1)
      #expect(books["attempts"]?["push"]?["sent"] == 1)
      #expect(books["attempts"]?["push"]?["retry"] == 1)
      #expect(books["balanced"] == true)
    }
  }

  @Test("nothing is handed over in the project's quiet hours")
  func projectQuietHours() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.herald.execute("DELETE FROM api_keys WHERE role = 'approver'")
      try await scene.put(
        "settings", ["quiet_hours": ["from": "00:00", "until": "23:59", "on_hit": "drop"]])
      try await scene.draft(PlanText.plan())
      let approver = try await scene.herald.key(.approver, "wang.fang")
      #expect(try await scene.approve(scene.submit(), by: approver).status == 200)
      try await scene.drain()
      #expect(try await step(scene)?["skipped"] == ["quiet_hours": 1])
      #expect(scene.sent == [])
    }
  }
}
