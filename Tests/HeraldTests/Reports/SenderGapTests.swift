import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct SenderGapTests {
  @Test("a message that no sender can carry says what keeps each of them from it")
  func gap() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.launch(PlanText.plan())
      try await scene.herald.execute(
        "UPDATE senders SET state = 'paused', state_reason = 'HTTP 401' WHERE key = 'gw-push'")
      try await scene.drain()
      let stuck = try await explain(scene)
      #expect(stuck?["outcome"] == "pending")
      #expect(stuck?["gate"] == "sender")
      #expect(stuck?["code"] == "no_sender")
      #expect(stuck?["values"]?["channel"] == "push")
      #expect(stuck?["values"]?["senders"] == ["gw-push": "paused: HTTP 401"])
      #expect(stuck?["values"]?["tries"] == 0)

      try await scene.herald.execute(
        """
        UPDATE senders SET state = 'active', config = config || '{"idempotent": false}'
        WHERE key = 'gw-push'
        """)
      #expect(
        try await explain(scene)?["values"]?["senders"]
          == ["gw-push": "changed since the approval"])

      try await scene.herald.execute(
        """
        UPDATE senders SET config = config || '{"idempotent": true}' WHERE key = 'gw-push'
        """)
      #expect(try await explain(scene)?["code"] == "queued")
      try await scene.drain(6)
      #expect(try await explain(scene)?["outcome"] == "sent")
    }
  }

  @Test("doctor names the live plans whose only sender was deleted")
  func deleted() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.launch(CampaignScene.triggered(#"{"event": "seen"}"#))
      let db = scene.herald.app.db
      let checkup = Checkup(
        db: db, audits: Audits(db: db), reports: Reports(db: db),
        senders: ChannelsFixture.senders(db))
      #expect(await checkup.senderGaps() == [])
      let answer = try await scene.herald.call(
        .delete, "/v1/senders/gw-push", key: scene.admin)
      #expect(answer.status == 204)
      let found = await checkup.senderGaps()
      #expect(found.map(\.check) == ["plan hello"] && found.map(\.level) == [.fail])
      #expect(
        found.first?.detail
          == "no sender can carry push of version 1: gw-push is archived")
    }
  }

  /// What is told of the delivery.
  private func explain(_ scene: CampaignScene) async throws -> JSONValue? {
    let answer = try await scene.herald.call(
      .get, "/v1/users/external_id:u-0/explain?plan=hello", key: scene.admin)
    return answer.json["decisions"]?.arrayValue?.last { $0["delivery"] != .null }
  }
}
