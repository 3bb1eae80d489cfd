import HTTP
import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Tracking sent again")
struct TrackingRetryTests {
  @Test("without messageId is known by the time the client gave, whenever it arrives")
  func withoutMessageID() async throws {
    try await TrackingScene.with { scene in
      func body(_ time: String, sentAt: String) -> JSONValue {
        [
          "batch": [
            [
              "type": "track", "userId": "n1", "event": "Paid",
              "timestamp": .string("2026-10-20T10:00:0\(time)Z"),
            ]
          ], "sentAt": .string("2026-10-20T10:00:\(sentAt)Z"),
        ]
      }
      for sentAt in ["05.000", "05.000", "35.000"] {
        try await scene.send("/v1/batch", body("0.000", sentAt: sentAt))
        scene.herald.clock.advance(by: 7)
      }
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 1)
      try await scene.send("/v1/batch", body("1.000", sentAt: "05.000"))
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 2)
    }
  }

  @Test("of a future that receipt cuts short, too")
  func fromTheFuture() async throws {
    try await TrackingScene.with { scene in
      let time = JSONValue.instant(scene.now.addingTimeInterval(3600))
      for _ in 0..<2 {
        try await scene.send("/v1/track", ["userId": "n1", "event": "Paid", "timestamp": time])
        scene.herald.clock.advance(by: 7)
      }
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 1)
    }
  }
}
