import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Webhook steps") struct WebhookStepTests {
  private static let steps = #"""
    {"id": "ask", "webhook": {"template": "score", "results": {"good": "hello", "bad": "end"}},
     "else": "later"},
    {"id": "hello", "send": {"chain": [{"channel": "push", "template": "p"}]}, "next": "end"},
    {"id": "later", "send": {"chain": [{"channel": "sms", "template": "m"}]}, "next": "end"}
    """#

  private func scene(_ body: (CampaignScene) async throws -> Void) async throws {
    try await CampaignScene.with { scene in
      try await scene.people(4)
      try await scene.put(
        "templates/score",
        ["channel": "webhook", "content": ["type": "score", "data": ["n": "{{ user.n }}"]]])
      try await scene.put(
        "senders/gw-webhook",
        ["channel": "webhook", "adapter": "record", "config": ["idempotent": true]])
      try await body(scene)
    }
  }

  @Test("the answer names the way; other answers and refusals take the other one")
  func ways() async throws {
    try await scene { scene in
      scene.herald.channel.reply { message in
        guard message.channel == .webhook else { return .sent(providerID: nil) }
        switch message.externalID {
        case "u-0": return .sent(providerID: "w-0", result: "good")
        case "u-1": return .sent(providerID: "w-1", result: "bad")
        case "u-2": return .sent(providerID: "w-2", result: "ugly")
        default: return .rejected(reason: "HTTP 404", addressDead: false)
        }
      }
      try await scene.launch(
        PlanText.plan(
          #""quiet_hours": {"from": "00:00", "until": "23:59", "zone": "UTC", "on_hit": "drop"}"#,
          steps: #"""
            {"id": "ask", "webhook": {"template": "score", "results": {"good": "w", "bad": "end"}},
             "else": "v"},
            {"id": "w", "wait": "1h", "next": "end"}, {"id": "v", "wait": "2h"}
            """#))
      try await scene.drain()
      let asked = scene.herald.channel.messages
      #expect(asked.count == 4 && asked.allSatisfy { $0.channel == .webhook })
      #expect(Set(asked.map(\.idempotencyKey)).count == 4)
      let books = try await scene.accounting()
      #expect(books["balanced"] == true)
      #expect(books["steps"]?["ask"]?["sent"] == 3 && books["steps"]?["ask"]?["failed"] == 1)
      #expect(books["visits"]?["w"]?["entered"] == 1 && books["visits"]?["v"]?["entered"] == 2)
      #expect(books["people"]?["finished"] == 1)
      #expect(try await scene.decisions(1).first { $0.hasPrefix("ask") } == "ask sent")
    }
  }

  @Test("a webhook goes on to messages")
  func messages() async throws {
    try await scene { scene in
      scene.herald.channel.reply { message in
        .sent(
          providerID: nil,
          result: message.channel == .webhook && message.externalID == "u-0" ? "good" : nil)
      }
      try await scene.launch(PlanText.plan(steps: Self.steps))
      try await scene.drain()
      #expect(
        scene.sent.filter { !$0.contains("webhook") }
          == ["u-0 push Hi 用户0", "u-1 sms Hi", "u-2 sms Hi", "u-3 sms Hi"])
    }
  }

  @Test("every fault has its place")
  func faults() async throws {
    try await scene { scene in
      let text = PlanText.plan(
        steps: #"""
          {"id": "ask", "webhook": {"template": "p", "url": "x", "results": {"A b": "end", "ok": "ask"}}}
          """#)
      let answer = try await scene.write(text, by: scene.author)
      #expect(
        Set(answer.pointers) == [
          "/steps/0/webhook/url", "/steps/0/webhook/results/A b", "/steps/0/webhook/results/ok",
          "/steps/0/webhook/template",
        ])
    }
  }
}
