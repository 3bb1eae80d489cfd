import Cryptography
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("API keys") struct KeysTests {
  private func status(
    _ herald: HeraldInProcess, _ authorization: String?, from address: String = "10.0.0.1"
  ) async throws -> Int {
    var headers = HTTPHeaders()
    headers["authorization"] = authorization
    return try await herald.call(.get, "/v1/tags", headers: headers, from: address).status
  }

  @Test("a key opens as Bearer, in any case, and as the user name of Basic")
  func forms() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.analyst, "zhou")
      #expect(try await status(herald, "Bearer \(key)") == 200)
      #expect(try await status(herald, "bearer \(key)") == 200)
      for password in [":", ":anything:at:all", ""] {
        let basic = Base64.encode(Array("\(key)\(password)".utf8))
        #expect(try await status(herald, "Basic \(basic)") == 200)
      }
    }
  }

  @Test("what is no key is refused, all alike")
  func refused() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.analyst, "zhou")
      let soon = herald.clock.now.addingTimeInterval(60)
      let expiring = try await herald.key(.analyst, "zhou", expiresAt: soon)
      #expect(try await status(herald, "Bearer \(expiring)") == 200)
      herald.clock.advance(by: 60)
      var bodies: Set<String> = []
      let wrong: [String?] = [
        nil, "", "Bearer", "Bearer ", "Bearer \(key)x", "Bearer \(key.dropLast())", key,
        "Bearer hk_\(String(repeating: "a", count: 300))", "Digest \(key)", "Basic !!!",
        "Bearer \(expiring)", "Bearer \(key) \(key)",
        "Basic \(Base64.encode(Array(":\(key)".utf8)))",
      ]
      for authorization in wrong {
        var headers = HTTPHeaders()
        headers["authorization"] = authorization
        let answer = try await herald.call(.get, "/v1/tags", headers: headers)
        #expect(answer.status == 401, "\(authorization ?? "none")")
        #expect(answer.headers["www-authenticate"] == "Bearer")
        bodies.insert(answer.json.text)
      }
      #expect(bodies.count == 1)
    }
  }

  @Test("a revoked key is refused at once here, and within five seconds elsewhere")
  func revoked() async throws {
    try await HeraldInProcess.with { here in
      let there = try HeraldInProcess(pool: here.app.db.pool, clock: here.clock)
      let admin = try await here.key(.admin, "zhao.min")
      let made = try await here.call(
        .post, "/v1/keys", ["name": "n", "role": "analyst", "principal": "zhou"], key: admin)
      let key = try #require(made.json["key"]?.stringValue)
      let id = try #require(made.json["id"]?.stringValue)
      #expect(try await status(here, "Bearer \(key)") == 200)
      #expect(try await status(there, "Bearer \(key)") == 200)
      #expect(try await here.call(.delete, "/v1/keys/\(id)", key: admin).status == 204)
      #expect(try await status(here, "Bearer \(key)") == 401)
      here.clock.advance(by: 4.9)
      #expect(try await status(there, "Bearer \(key)") == 401)
    }
  }

  @Test("an address that guesses is throttled; others, and keys known to be good, are not")
  func throttled() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.analyst, "zhou")
      #expect(try await status(herald, "Bearer \(key)") == 200)
      for _ in 0..<Keys.failureLimit {
        #expect(try await status(herald, "Bearer hk_guess") == 401)
      }
      var headers = HTTPHeaders()
      headers["authorization"] = "Bearer hk_guess"
      let answer = try await herald.call(.get, "/v1/tags", headers: headers, from: "10.0.0.1")
      #expect(answer.status == 429)
      #expect(answer.headers["retry-after"] == "60")
      #expect(try await status(herald, "Bearer \(key)") == 200)
      #expect(try await status(herald, "Bearer hk_guess", from: "10.0.0.2") == 401)
      herald.clock.advance(by: 61)
      #expect(try await status(herald, "Bearer hk_guess") == 401)
    }
  }

  @Test("the secret is shown once and stored nowhere")
  func secret() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      let made = try await herald.call(
        .post, "/v1/keys", ["name": "ci", "role": "operator", "principal": "li.lei"], key: admin)
      let key = try #require(made.json["key"]?.stringValue)
      #expect(key.hasPrefix("hk_") && key.utf8.count >= 46)
      let list = try await herald.call(.get, "/v1/keys", key: admin)
      let audit = try await herald.call(.get, "/v1/audit", key: admin)
      #expect(!list.json.text.contains(key) && !audit.json.text.contains(key))
      let stored = try await herald.count(
        "SELECT count(*) FROM api_keys k WHERE strpos(k::text, \(key)) > 0")
      #expect(stored == 0)
    }
  }

  @Test(
    "a principal has one writing: nothing invisible, and none that people would take for another",
    arguments: [
      (" li.lei", "visible"), ("li.lei ", "visible"), ("li\u{200B}.lei", "visible"),
      ("li\n.lei", "visible"), ("Li.Lei", "'li.lei' already"), ("ｌi.lei", "'li.lei' already"),
    ])
  func principals(_ principal: String, _ reason: String) async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      func make(_ principal: String) async throws -> HeraldInProcess.Answer {
        try await herald.call(
          .post, "/v1/keys",
          ["name": "n", "role": "approver", "principal": .string(principal)], key: admin)
      }
      #expect(try await make("li.lei").status == 201)
      #expect(try await make("li.lei").status == 201)
      #expect(try await make("李雷").status == 201)
      let refused = try await make(principal)
      #expect(refused.status == 422)
      #expect(refused.pointers == ["/principal"])
      #expect(refused.json["detail"]?.stringValue?.contains(reason) == true, "\(refused.json)")
    }
  }

  @Test("the first admin key is installed in an empty database only")
  func bootstrap() async throws {
    try await HeraldInProcess.with { herald in
      let now = herald.clock.now
      let first = try await herald.app.keys.bootstrap(secret: "hk_first_of_all", now: now)
      #expect(first == "hk_first_of_all")
      #expect(try await herald.app.keys.bootstrap(secret: nil, now: now) == nil)
      #expect(try await status(herald, "Bearer hk_first_of_all") == 200)
      #expect(try await herald.count("SELECT count(*) FROM api_keys") == 1)
    }
  }

  @Test("a key made with a user scope's key sees no more than its maker")
  func inheritedScope() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      for brand in ["A", "B"] {
        _ = try await herald.call(
          .post, "/v1/users",
          ["identities": ["external_id": .string(brand)], "attributes": ["brand": .string(brand)]],
          key: admin)
      }
      let dealer = try await herald.key(
        .admin, "dealer", scope: try .stored(["attribute": "brand", "eq": "A"]))
      for scope: JSONValue? in [nil, ["attribute": "brand", "in": ["A", "B"]]] {
        var body: JSONObject = ["name": "n", "role": "analyst", "principal": "clerk"]
        body["user_scope"] = scope
        let made = try await herald.call(.post, "/v1/keys", .object(body), key: dealer)
        let clerk = try #require(made.json["key"]?.stringValue)
        let users = try await herald.call(.get, "/v1/users", key: clerk)
        #expect(users.json["data"]?.arrayValue?.count == 1)
      }
    }
  }

  @Test("a user scope that names nothing is refused when the key is made")
  func unknownScope() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      let answer = try await herald.call(
        .post, "/v1/keys",
        [
          "name": "n", "role": "analyst", "principal": "x",
          "user_scope": ["any": [["segment": "ghosts"], ["tag": "never"]]],
        ], key: admin)
      #expect(answer.status == 422)
      #expect(answer.pointers == ["/user_scope/any/0/segment", "/user_scope/any/1/tag"])
    }
  }
}
