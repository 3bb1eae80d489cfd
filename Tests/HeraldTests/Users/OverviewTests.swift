import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("A user on one page")
struct OverviewTests {
  private func event(
    _ name: String, _ second: Int, _ properties: JSONValue, _ herald: HeraldInProcess
  ) -> JSONValue {
    [
      "user": "external_id:u-1", "name": .string(name), "properties": properties,
      "timestamp": .instant(herald.clock.now.addingTimeInterval(Double(second) - 1000)),
    ]
  }

  private func furnish(_ herald: HeraldInProcess, _ key: String) async throws {
    try await herald.user(
      "u-1", ["tags": ["vip": true], "consents": ["sms": "granted", "sms:news": "denied"]],
      key: key)
    let answer = try await herald.call(
      .post, "/v1/events",
      [
        "events": [
          event("order_paid", 1, ["amount": 10, "order_id": "o-1"], herald),
          event("order_paid", 2, ["amount": "2.50", "order_id": "o-2"], herald),
          event("order_paid", 3, ["amount": "free", "order_id": "o-3"], herald),
          event("purchase", 4, ["price": 7], herald), event("viewed", 5, [:], herald),
        ]
      ], key: key)
    #expect(answer.json["accepted"] == 5)
  }

  @Test("sums orders, lists tags with their source, and says what reaches them")
  func overview() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      try await furnish(herald, key)
      let page = try await herald.call(.get, "/v1/users/external_id:u-1/overview", key: key)
      #expect(page.status == 200)
      let orders = page.json["orders"]
      #expect(orders?["count"] == 3)
      #expect(orders?["total"] == ["amount": "12.50", "currency": "CNY"])
      #expect(orders?["last"]?["order_id"] == "o-3")
      #expect(page.json["events"]?.arrayValue?.first?["name"] == "order_paid")
      #expect(page.json["tags"]?.arrayValue?.first?["source"] == "api")
      #expect(page.json["reach"]?["sms"] == "no_address")
      #expect(page.json["reach"]?["email"] == "no_consent")
      #expect(page.json["consents"]?.arrayValue?.count == 2)
    }
  }

  @Test("counts as orders what the settings say")
  func settings() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      try await furnish(herald, key)
      let rule: JSONValue = ["event": "purchase", "amount": "price", "currency": "EUR"]
      let put = try await herald.call(.put, "/v1/settings", ["orders": rule], key: key)
      #expect(put.json["orders"] == rule)
      let page = try await herald.call(.get, "/v1/users/external_id:u-1/overview", key: key)
      #expect(page.json["orders"]?["total"] == ["amount": "7.00", "currency": "EUR"])
      let timeline = try await herald.call(
        .get, "/v1/users/external_id:u-1/timeline?kind=order", key: key)
      #expect(
        timeline.json["data"]?.arrayValue?.map { $0["data"]?["order"] }
          == [["amount": "7.00", "currency": "EUR"]])
    }
  }

  @Test("the timeline is filtered by kind, name and time, and pages within the filter")
  func timeline() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      try await furnish(herald, key)
      let path = "/v1/users/external_id:u-1/timeline"
      func names(_ query: String) async throws -> [String] {
        let answer = try await herald.call(.get, "\(path)?\(query)", key: key)
        #expect(answer.status == 200, "\(query)")
        return answer.json["data"]?.arrayValue?.compactMap {
          $0["data"]?["name"]?.stringValue ?? $0["type"]?.stringValue
        } ?? []
      }
      #expect(try await names("kind=tag,consent") == ["tag", "consent", "consent"])
      #expect(try await names("kind=event&name=viewed") == ["viewed"])
      #expect(try await names("name=vip") == ["tag"])
      let since = Date(timeInterval: -996, since: herald.clock.now).rfc3339
      #expect(try await names("kind=event&from=\(since)") == ["viewed", "purchase"])
      #expect(try await names("kind=event&until=\(since)").count == 3)
      let first = try await herald.call(.get, "\(path)?kind=order&limit=2", key: key)
      let next = try #require(first.json["next"]?.stringValue)
      #expect(try await names("kind=order&limit=2&after=\(next)").count == 1)
      let bad = try await herald.call(.get, "\(path)?kind=rumour", key: key)
      #expect(bad.status == 400)
    }
  }

  @Test("what was merged into them is theirs")
  func merged() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      try await furnish(herald, key)
      let old = UUID()
      let id = try await herald.call(.get, "/v1/users/external_id:u-1", key: key).json["id"]
      let user = try #require(id?.stringValue.flatMap { UUID(uuidString: $0) })
      let now = herald.clock.now
      try await herald.execute(
        "INSERT INTO user_aliases (alias_id, user_id, merged_at) VALUES (\(old), \(user), \(now))")
      try await herald.execute(
        """
        INSERT INTO events (user_id, name, ts, id, properties, source, received_at)
        VALUES (\(old), 'order_paid', \(now), \(UUID()), '{"amount": 1}', 'api', \(now))
        """)
      let page = try await herald.call(.get, "/v1/users/external_id:u-1/overview", key: key)
      #expect(page.json["orders"]?["count"] == 4)
      #expect(page.json["merged"] == [.string(old.text)])
      let timeline = try await herald.call(
        .get, "/v1/users/external_id:u-1/timeline?kind=merge", key: key)
      #expect(timeline.json["data"]?.arrayValue?.first?["data"]?["merged"] == .string(old.text))
      let export = try await herald.call(.get, "/v1/users/external_id:u-1/export", key: key)
      #expect(export.json["events"]?.arrayValue?.count == 6)
    }
  }
}
