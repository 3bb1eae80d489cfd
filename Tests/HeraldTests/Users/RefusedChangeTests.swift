import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// What is refused leaves nothing behind, not even that two users were found to be one.
@Suite("Refused changes")
struct RefusedChangeTests {
  /// Two users, one with a name that nothing can be appended to.
  private static func scene(_ body: (PeopleAPI) async throws -> Void) async throws {
    try await PeopleAPI.with { api in
      try await api.user("a", ["attributes": ["name": "A"]])
      _ = try await api.call(.post, "/v1/users", ["identities": ["phone": "+8613900000002"]])
      try await body(api)
      #expect(try await api.count("SELECT count(*) FROM user_merges") == 0)
      #expect(try await api.count("SELECT count(*) FROM identities") == 2)
    }
  }

  private static let both: JSONValue = ["external_id": "a", "phone": "+8613900000002"]
  private static let wrong: JSONValue = ["name": ["$append": 1]]

  @Test("an upsert merges nobody, and the others of its batch are made")
  func upserts() async throws {
    try await Self.scene { api in
      let item: JSONValue = ["identities": Self.both, "attributes": Self.wrong]
      #expect(try await api.call(.post, "/v1/users", item).status == 422)
      let batch = try await api.call(
        .post, "/v1/users/batch",
        [
          "users": [
            item,
            ["identities": ["external_id": "a"], "attributes": ["name": "B"]],
          ]
        ])
      let statuses = batch.json["results"]?.arrayValue?.compactMap { $0["status"]?.intValue }
      #expect(statuses?.first == 422)
      #expect(statuses?.dropFirst().first == 200)
      #expect(
        try await api.count("SELECT count(*) FROM users WHERE attributes = '{\"name\": \"B\"}'")
          == 1)
    }
  }

  @Test("a PATCH binds no identity")
  func patches() async throws {
    try await Self.scene { api in
      let answer = try await api.call(
        .patch, "/v1/users/external_id:a",
        ["identities": ["email": "a@example.com"], "attributes": Self.wrong])
      #expect(answer.status == 422, "\(answer.text)")
    }
  }

  @Test("an event merges nobody, and its message id stays free for the next of the batch")
  func events() async throws {
    try await Self.scene { api in
      let answer = try await api.call(
        .post, "/v1/events",
        [
          "events": [
            ["user": Self.both, "name": "paid", "message_id": "m", "attributes": Self.wrong],
            ["user": ["external_id": "a"], "name": "paid", "message_id": "m"],
          ]
        ])
      #expect(answer.json["accepted"] == 1)
      #expect(answer.json["duplicates"] == 0)
      #expect(answer.json["rejected"]?.arrayValue?.count == 1)
      #expect(try await api.count("SELECT count(*) FROM events") == 1)
    }
  }
}
