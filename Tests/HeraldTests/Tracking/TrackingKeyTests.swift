import Conditions
import Foundation
import HTTP
import HeraldTesting
import JSON
import Logging
import Postgres
import Testing

@testable import Herald

@Suite("Write keys")
struct TrackingKeyTests {
  private let message: JSONValue = ["userId": "u", "event": "e"]

  @Test("are taken as Basic with any password, as Bearer, and from the body")
  func ways() async throws {
    try await TrackingScene.with { scene in
      let key = scene.writeKey
      let pair = Data("\(key):ignored".utf8).base64EncodedString()
      let bearer = try await scene.send(
        "/v1/t", message, headers: ["authorization": "Bearer \(key)"])
      #expect(bearer.status == 200)
      let basic = try await scene.send(
        "/v1/t", message, headers: ["authorization": "Basic \(pair)"])
      #expect(basic.status == 200)
      let inBody = try await scene.herald.call(
        .post, "/v1/t", ["userId": "u", "event": "e", "writeKey": .string(key)])
      #expect(inBody.status == 200)
      // OAuth of Segment: a token that is not ours in the header, the write key in the body.
      let both = try await scene.herald.call(
        .post, "/v1/b",
        [
          "batch": [["type": "track", "userId": "u", "event": "e"]], "writeKey": .string(key),
        ], headers: ["authorization": "Bearer somebody-elses"])
      #expect(both.status == 200)
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 4)
      let stored = try await scene.herald.count(
        "SELECT count(*) FROM events WHERE context::text LIKE \("%\(key)%")")
      #expect(stored == 0)
    }
  }

  @Test("that are bad are a 401 with code and message")
  func bad() async throws {
    try await TrackingScene.with { scene in
      let answers = [
        try await scene.send("/v1/t", message, key: "hk_nobodys"),
        try await scene.herald.call(.post, "/v1/t", message),
        try await scene.herald.call(.post, "/v1/t", ["writeKey": 7]),
        try await scene.herald.call(.post, "/v1/t", bytes: Array("{".utf8)),
      ]
      for answer in answers {
        #expect(answer.status == 401)
        #expect(answer.code == "unauthorized")
        #expect(answer.json["message"]?.stringValue?.isEmpty == false)
      }
      let analyst = try await scene.herald.key(.analyst, "han")
      #expect(try await scene.send("/v1/t", message, key: analyst).status == 403)
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 0)
    }
  }

  @Test("that cannot be looked up are a 503: clients would drop what a 401 answers")
  func databaseDown() async throws {
    let logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
    let pool = Pool(
      PoolConfiguration(
        url: "host=/nowhere/herald-tests dbname=none", size: 1, applicationName: "test"),
      logger: logger)
    let herald = try HeraldInProcess(pool: pool)
    let answer = try await herald.call(.post, "/v1/t", message, key: "hk_some_key_of_ours")
    #expect(answer.status == 503)
    #expect(answer.headers["retry-after"] != nil)
    #expect(answer.code == "unavailable")
    #expect(answer.json["message"]?.stringValue?.isEmpty == false)
    await herald.app.close()
  }

  @Test("with a user scope reach nobody else; what they send of others is a violation")
  func scope() async throws {
    try await TrackingScene.with { scene in
      for (id, brand) in [("mine", "a"), ("theirs", "b")] {
        try await scene.send(
          "/v1/identify", ["userId": .string(id), "traits": ["brand": .string(brand)]])
      }
      let condition = try Condition.stored(["attribute": "brand", "eq": "a"])
      let key = try await scene.herald.key(.operator, "brand-a", scope: condition)
      for id in ["mine", "theirs", "nobody"] {
        let answer = try await scene.send(
          "/v1/track", ["userId": .string(id), "event": "scoped"], key: key)
        #expect(answer.status == 200)
      }
      #expect(
        try await scene.herald.count("SELECT count(*) FROM events WHERE name = 'scoped'") == 1)
      #expect(try await scene.violations().count == 2)
      try await scene.send("/v1/track", ["event": "x"])
      let seen = try await scene.herald.call(.get, "/v1/violations", key: key)
      #expect(seen.json["data"]?.arrayValue?.count == 2)
      let others = try await scene.herald.call(.get, "/v1/violations?principal=shop", key: key)
      #expect(others.json["data"]?.arrayValue?.isEmpty == true)
    }
  }

  @Test("may be used from any origin, at every path of the tracking API and nowhere else")
  func origins() async throws {
    try await TrackingScene.with { scene in
      let open = scene.herald.app.endpoints.filter(\.allowsAnyOrigin).flatMap(\.patterns)
      for path in ["track", "t", "identify", "i", "batch", "b", "import", "page/", "p/"] {
        #expect(open.contains("/v1/\(path)"))
      }
      #expect(!open.contains("/v1/events"))
    }
  }
}
