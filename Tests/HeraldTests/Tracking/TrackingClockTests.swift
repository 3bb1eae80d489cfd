import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Tracking clock")
struct TrackingClockTests {
  private func date(_ text: String) throws -> Date { try #require(Date(rfc3339: text)) }

  @Test("corrects a slow client by what it is behind")
  func slow() throws {
    let corrected = TrackingClock.corrected(
      original: try date("2026-11-22T10:00:00Z"), sent: try date("2026-11-22T10:00:05Z"),
      received: try date("2026-11-22T12:30:07Z"))
    #expect(try corrected == date("2026-11-22T12:30:02Z"))
  }

  @Test("leaves history where it was, and lets nothing happen later than it came")
  func bounds() throws {
    let received = try date("2026-11-22T12:00:00Z")
    let old = try date("2020-01-01T00:00:00Z")
    #expect(TrackingClock.corrected(original: old, sent: received, received: received) == old)
    #expect(TrackingClock.corrected(original: old, sent: nil, received: received) == old)
    let future = received.addingTimeInterval(500)
    #expect(TrackingClock.corrected(original: future, sent: nil, received: received) == received)
    #expect(
      TrackingClock.corrected(original: future, sent: received, received: received) == received)
    let ancient = try date("1950-01-01T00:00:00Z")
    #expect(TrackingClock.corrected(original: ancient, sent: nil, received: received) == nil)
  }

  @Test(
    "reads the instants that clients send",
    arguments: [
      "2026-11-22T04:27:13.424+00:00", "2026-11-22T04:27:13.424000+00:00",
      "2026-11-22T04:27:13.424Z", "2026-11-22T04:27:13.424", "2026-11-22 04:27:13.424",
      "2026-11-22T12:27:13.424+0800", "2026-11-22T12:27:13.424+08:00",
    ])
  func instants(text: String) throws {
    let found = try #require(TrackingClock.instant(text))
    #expect(try abs(found.timeIntervalSince(date("2026-11-22T04:27:13.424Z"))) < 0.000_001)
  }

  @Test(
    "reads no others",
    arguments: ["", "yesterday", "1700000000", "2026-13-01", "2026-11-22T", "infinity"])
  func others(text: String) {
    #expect(TrackingClock.instant(text) == nil)
  }

  @Test("stores the corrected time and, beside it, what the client said")
  func stored() async throws {
    try await TrackingScene.with { scene in
      let original = scene.now.addingTimeInterval(-9_005)
      try await scene.batch(
        [
          [
            "type": "track", "userId": "u", "event": "e", "timestamp": .instant(original),
            "context": ["ip": "1.1.1.1"],
          ]
        ], sentAt: scene.now.addingTimeInterval(-9_000))
      let event = try #require(try await scene.events(of: "external_id:u").first)
      #expect(event["at"] == .instant(scene.now.addingTimeInterval(-5)))
      #expect(event["data"]?["received_at"] != nil)
      #expect(
        try await scene.context() == [
          "ip": "1.1.1.1", "$sent_at": .instant(scene.now.addingTimeInterval(-9_000)),
          "$original_timestamp": .instant(original),
        ])
    }
  }

  @Test("takes originalTimestamp before timestamp, and a single call's own sentAt")
  func originals() async throws {
    try await TrackingScene.with { scene in
      try await scene.send(
        "/v1/track",
        [
          "userId": "u", "event": "e", "timestamp": "2020-01-01T00:00:00Z",
          "originalTimestamp": .instant(scene.now.addingTimeInterval(-60)),
          "sentAt": .instant(scene.now),
        ])
      let event = try #require(try await scene.events(of: "external_id:u").first)
      #expect(event["at"] == .instant(scene.now.addingTimeInterval(-60)))
    }
  }

  @Test("stores a message with an unreadable clock at its receipt, and notes that")
  func unreadable() async throws {
    try await TrackingScene.with { scene in
      try await scene.batch([
        ["type": "track", "userId": "u", "event": "e", "messageId": "m", "timestamp": "noon"]
      ])
      #expect(
        try await scene.events(of: "external_id:u").first?["at"] == .instant(scene.now))
      let violation = try #require(try await scene.violations().first)
      #expect(violation["stored"] == true)
      #expect(violation["pointer"] == "/timestamp")
    }
  }
}
