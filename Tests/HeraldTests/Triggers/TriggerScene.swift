import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

extension CampaignScene {
  /// A plan with this trigger and one push; `more` are further members.
  static func triggered(
    _ trigger: String, _ more: String = "", steps: String = PlanText.step("hello", PlanText.push)
  ) -> String {
    let tail = more.isEmpty ? "" : ", \(more)"
    return #"{"name": "Hello", "trigger": \#(trigger), "steps": [\#(steps)]\#(tail)}"#
  }

  /// u-`n` does something, now or `ago` seconds before.
  func event(
    _ name: String, _ n: Int, ago: TimeInterval = 0, _ properties: JSONValue = [:]
  ) async throws {
    try await events([(name, n, ago, properties)])
  }

  func events(_ events: [(String, Int, TimeInterval, JSONValue)]) async throws {
    let list = events.map { name, n, ago, properties -> JSONValue in
      [
        "user": ["external_id": "u-\(n)"], "name": .string(name), "properties": properties,
        "timestamp": .instant(herald.clock.now.addingTimeInterval(-ago)),
        "message_id": .string(UUID().uuidString),
      ]
    }
    let answer = try await herald.call(
      .post, "/v1/events", ["events": .array(list)], key: admin)
    try #require(
      answer.json["accepted"]?.intValue == events.count,
      "\(String(decoding: answer.bytes, as: UTF8.self))")
  }

  /// How people of a plan stand, without what is zero, and whether the books balance.
  func people(of key: String = "hello") async throws -> String {
    let books = try await accounting(key)
    let people = books["people"]
    var words: [String] = []
    for name in ["targeted", "held_out", "active", "finished"] {
      if let count = people?[name]?.intValue, count > 0 { words.append("\(name) \(count)") }
    }
    for name in ["skipped_at_entry", "exited"] {
      for (code, count) in (people?[name]?.objectValue ?? [:]).members.sorted(by: {
        $0.key < $1.key
      }) {
        words.append("\(code) \(count.intValue ?? -1)")
      }
    }
    if books["balanced"] != true { words.append("UNBALANCED") }
    return words.joined(separator: ", ")
  }

  /// Declares a tag and gives it to u-`n`, unless it is to be declared alone.
  func tag(_ key: String, _ n: Int, sets: Bool = true) async throws {
    try await put(
      "tags/\(key)", ["name": .string(key), "category": "custom", "type": "flag"])
    if sets { try await put("users/external_id:u-\(n)/tags/\(key)", [:]) }
  }

  /// Moves the clock to an instant.
  func at(_ text: String) throws {
    let instant = try #require(Date(rfc3339: text))
    herald.clock.advance(by: instant.timeIntervalSince(herald.clock.now))
  }
}
