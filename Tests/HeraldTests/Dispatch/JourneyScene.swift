import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

/// What tests of journeys do over and over.
extension CampaignScene {
  /// Something that u-`person` does now, or did `ago` seconds before.
  func event(
    _ name: String, by person: Int, _ properties: JSONObject = [:], ago: TimeInterval = 0
  ) async throws {
    let answer = try await herald.call(
      .post, "/v1/events",
      [
        "events": [
          [
            "user": ["external_id": .string("u-\(person)")], "name": .string(name),
            "timestamp": .string(herald.clock.now.addingTimeInterval(-ago).rfc3339),
            "message_id": .string(UUID().text), "properties": .object(properties),
          ]
        ]
      ], key: admin)
    try #require(answer.json["accepted"] == 1, "\(String(decoding: answer.bytes, as: UTF8.self))")
  }

  /// `later: waiting 2, event 1` of the steps that send nothing.
  func visits(_ key: String = "hello") async throws -> [String: String] {
    let books = try await accounting(key)
    #expect(books["balanced"] == true)
    var visits: [String: String] = [:]
    for (step, counts) in books["visits"]?.objectValue ?? [:] {
      let states = ["waiting", "passed", "failed", "exited"].compactMap { state in
        counts[state]?.intValue.flatMap { $0 > 0 ? "\(state) \($0)" : nil }
      }
      let outcomes = (counts["outcomes"]?.objectValue ?? [:]).map {
        "\($0.key) \($0.value.intValue ?? -1)"
      }
      visits[step] = (states + outcomes.sorted()).joined(separator: ", ")
    }
    return visits
  }

  func people(of key: String = "hello") async throws -> JSONValue {
    try await accounting(key)["people"] ?? .null
  }

  /// `step: outcome code` of the decisions about u-`person`.
  func decisions(_ person: Int, _ key: String = "hello") async throws -> [String] {
    let answer = try await herald.call(
      .get, "/v1/users/external_id:u-\(person)/explain?plan=\(key)", key: admin)
    return answer.json["decisions"]?.arrayValue?.map { decision in
      ["step", "outcome", "code"].compactMap { decision[$0]?.stringValue }.joined(separator: " ")
    } ?? []
  }

  /// Moves the clock in steps of `seconds`, dispatching at each, until nobody is active.
  func finish(_ key: String = "hello", every seconds: TimeInterval, most: Int) async throws {
    for _ in 0..<most where try await people(of: key)["active"] != 0 { try await drain(seconds) }
  }
}
