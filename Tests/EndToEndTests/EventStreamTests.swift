import Foundation
import JSON
import Testing

@testable import HeraldCLI

@Suite("Streams of events, as `herald watch` reads them") struct EventStreamTests {
  private static func events(_ text: String, cut: Int) -> [EventStream.Event] {
    var stream = EventStream()
    var events: [EventStream.Event] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let piece = Array(rest.prefix(cut))
      rest = rest.dropFirst(cut)
      piece.withUnsafeBytes { events += stream.take($0) }
    }
    return events
  }

  @Test("however the bytes are cut", arguments: 1...9)
  func cuts(_ cut: Int) {
    let text =
      "retry: 2000\n\nid: 1\nevent: live\ndata: {\"a\":\"é\"}\n\n: nothing\n\r\n"
      + "data: one\r\ndata:two\r\n\r\nevent: end\ndata: x"
    #expect(
      Self.events(text, cut: cut) == [
        EventStream.Event(name: "live", data: "{\"a\":\"é\"}"),
        EventStream.Event(name: "message", data: "one\ntwo"),
      ])
  }

  @Test("a state as a line and as a table")
  func table() {
    let live: JSONValue = [
      "plan": "winter", "state": "paused", "paused": true, "stopped": ["all"],
      "auto_pause": ["detail": "40 of 100 hand-overs failed"], "at": "2026-11-22T10:00:01Z",
      "people": ["active": 1200], "deliveries": ["sent": 34_000, "failed": 40], "follow_ups": 2,
      "in_flight": 3,
      "per_second": .double(12.5),
      "refusals": [
        [
          "at": "2026-11-22T10:00:00Z", "step": "hello", "channel": .null, "status": "skipped",
          "reason": "no_consent", "count": 7,
        ]
      ],
    ]
    let table = LiveTable(live: live)
    #expect(
      table.line
        == "10:00:01 paused, by Herald: 40 of 100 hand-overs failed, stopped: all: "
        + "people active 1200; deliveries pending 0, sent 34000, failed 40, skipped 0, unknown 0, "
        + "follow-ups 2, in flight 3, 12.5/s")
    let lines = table.lines
    #expect(lines.contains { $0.contains("active") && $0.contains("1,200") })
    #expect(lines.contains { $0.contains("sent") && $0.contains("34,000") })
    #expect(lines.last?.contains("skipped: no_consent") == true)
  }
}
