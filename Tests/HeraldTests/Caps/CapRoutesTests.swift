import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Caps over the API") struct CapRoutesTests {
  private static let weekly: JSONValue = ["scope": "all", "limit": 3, "per": "7d"]

  @Test("a cap is made, changed, read and lifted, each with its audit row")
  func life() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao")
      let made = try await herald.call(.put, "/v1/caps/weekly", Self.weekly, key: admin)
      #expect(made.status == 201)
      #expect(made.json["key"] == "weekly" && made.json["per"] == "7d" && made.json["limit"] == 3)
      #expect(try await herald.call(.put, "/v1/caps/weekly", Self.weekly, key: admin).status == 200)
      let calendar: JSONValue = [
        "scope": ["channel": "sms"], "limit": 1, "per": ["calendar": "day"],
      ]
      let other = try await herald.call(.put, "/v1/caps/sms", calendar, key: admin)
      #expect(other.json["per"] == ["calendar": "day", "zone": "user"])
      let gap = try await herald.call(
        .put, "/v1/caps/pause", ["scope": "all", "gap": "240m"], key: admin)
      #expect(gap.json["gap"] == "4h")
      let list = try await herald.call(.get, "/v1/caps", key: admin)
      #expect(
        list.json["data"]?.arrayValue?.map { $0["key"] } == ["pause", "sms", "weekly"])
      #expect(try await herald.call(.delete, "/v1/caps/sms", key: admin).status == 204)
      #expect(try await herald.call(.get, "/v1/caps/sms", key: admin).status == 404)
      #expect(
        try await herald.count("SELECT count(*) FROM audit_entries WHERE action LIKE 'cap.%'") == 4)
    }
  }

  @Test("every fault is named at its place")
  func faults() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao")
      for (body, pointers) in [
        ([:], ["/scope", "/limit", "/per"]),
        (["scope": "some", "limit": 0, "per": "93d"], ["/scope", "/limit", "/per"]),
        (["scope": [:], "limit": 1, "per": ["calendar": "year"]], ["/scope", "/per/calendar"]),
        (
          [
            "scope": ["channel": "fax", "category": "x"], "limit": 1,
            "per": ["calendar": "day", "zone": "Mars/Base"],
          ], ["/scope/channel", "/scope", "/per/zone"]
        ),
        (["scope": "all", "gap": "1h", "limit": 1], ["/limit"]),
        (["scope": "all", "gap": "0s", "more": 1], ["/gap", "/more"]),
      ] as [(JSONValue, [String])] {
        let answer = try await herald.call(.put, "/v1/caps/c", body, key: admin)
        #expect(answer.status == 422, "\(body.text)")
        #expect(Set(answer.pointers) == Set(pointers), "\(body.text) \(answer.pointers)")
      }
    }
  }

  @Test("an operator makes caps tighter; to loosen one takes an admin")
  func tighter() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao")
      let author = try await herald.key(.operator, "li")
      func put(_ body: JSONValue, _ key: String) async throws -> Int {
        try await herald.call(.put, "/v1/caps/c", body, key: key).status
      }
      #expect(try await put(Self.weekly, author) == 201)
      #expect(try await put(["scope": "all", "limit": 2, "per": "7d"], author) == 200)
      #expect(try await put(["scope": "all", "limit": 2, "per": "8d"], author) == 200)
      for body in [
        ["scope": "all", "limit": 3, "per": "8d"], ["scope": "all", "limit": 2, "per": "7d"],
        ["scope": ["channel": "sms"], "limit": 2, "per": "8d"], ["scope": "all", "gap": "1m"],
        ["scope": "all", "limit": 2, "per": ["calendar": "month"]],
      ] as [JSONValue] {
        #expect(try await put(body, author) == 403, "\(body.text)")
        #expect(try await put(body, admin) == 200, "\(body.text)")
        #expect(try await put(["scope": "all", "limit": 2, "per": "8d"], admin) == 200)
      }
      #expect(try await herald.call(.delete, "/v1/caps/c", key: author).status == 403)
      let scoped = try await herald.key(
        .admin, "dealer", scope: try .stored(["attribute": "n", "eq": 1]))
      #expect(try await put(Self.weekly, scoped) == 403)
    }
  }
}
