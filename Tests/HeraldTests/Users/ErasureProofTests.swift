import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Proofs of erasures")
struct ErasureProofTests {
  @Test("say what was done, and are checked against the tables and the audit")
  func proof() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      try await herald.user(
        "u-1", ["tags": ["vip": true], "consents": ["sms": "granted"]], key: key)
      let answer = try await herald.call(.delete, "/v1/users/external_id:u-1", key: key)
      #expect(answer.status == 204)
      let path = try #require(answer.headers["location"])
      let proof = try await herald.call(.get, path, key: key)
      #expect(proof.json["state"] == "completed")
      #expect(proof.json["verified"] == true)
      #expect(proof.json["residue"] == [:])
      #expect(proof.json["tables"]?["identities"] == ["deleted": 1, "anonymised": 0])
      let digest = try #require(proof.json["digest"]?.stringValue)
      let audited = try await herald.count(
        """
        SELECT count(*) FROM audit_entries
        WHERE action = 'erasure.completed' AND after->>'digest' = \(digest)
        """)
      #expect(audited == 1)

      try await herald.execute("UPDATE erasures SET tables = '{}'")
      #expect(try await herald.call(.get, path, key: key).json["verified"] == false)
    }
  }

  @Test("what is written of a person while they are erased does not stay")
  func beside() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      _ = try await herald.call(
        .put, "/v1/tags/canary", ["name": "Canary", "category": "custom"], key: key)
      for n in 0..<12 {
        let id = try await herald.user("u-\(n)", key: key)
        let path = try await withThrowingTaskGroup(of: String?.self) { group in
          for writer in 0..<4 {
            group.addTask {
              for step in 0..<6 {
                _ = try await herald.call(
                  .post, "/v1/events",
                  [
                    "events": [
                      [
                        "message_id": .string("m-\(n)-\(writer)-\(step)"), "name": "bought",
                        "user": ["external_id": .string("u-\(n)")],
                        "properties": ["email": "canary@example.com"],
                        "attributes": ["city": "Canary"],
                      ]
                    ]
                  ], key: key)
                _ = try await herald.call(
                  .put, "/v1/users/\(id)/tags/canary", [:], key: key)
              }
              return nil
            }
          }
          group.addTask {
            let answer = try await herald.call(.delete, "/v1/users/\(id)", key: key)
            return answer.headers["location"]
          }
          return try await group.reduce(nil) { $0 ?? $1 }
        }
        let proof = try await herald.call(.get, #require(path), key: key)
        #expect(proof.json["residue"] == [:])
        #expect(proof.json["verified"] == true)
      }
    }
  }

  @Test("ended in the middle go on in the background, with what texts name the person by")
  func interrupted() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      let id = try await herald.user("canary-77", key: key)
      try await herald.execute(
        """
        INSERT INTO violations (id, at, source, principal, code, pointer, detail, stored, payload,
          payload_bytes)
        VALUES (gen_random_uuid(), now(), 'api', 'li.lei', 'required', '', '', false,
          '{"user":"Canary-77"}', 1)
        """)
      // The second transaction fails as one that is cut off does.
      try await herald.execute("ALTER TABLE source_dead_letters RENAME TO letters_away")
      let answer = try await herald.call(.delete, "/v1/users/\(id)", key: key)
      #expect(answer.status == 204)
      #expect(try await herald.call(.get, "/v1/users/\(id)", key: key).status == 404)
      #expect(
        try await herald.count(
          "SELECT count(*) FROM erasures WHERE state = 'running' AND names IS NOT NULL") == 1)
      try await herald.execute("ALTER TABLE letters_away RENAME TO source_dead_letters")
      #expect(try await Erasures(db: herald.app.db).advance(now: herald.clock.now))
      #expect(try await herald.count("SELECT count(*) FROM violations") == 0)
      #expect(
        try await herald.count(
          "SELECT count(*) FROM erasures WHERE state = 'completed' AND names IS NULL") == 1)
    }
  }

  @Test("violations and dead letters that write the telephone number in groups go too")
  func grouped() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      let written = ["135 2222 7777", "135-2222-7777", "+86 (135) 22227777", "135 2222 7770"]
      try await herald.execute(
        """
        INSERT INTO violations (id, at, source, principal, code, pointer, detail, stored, payload,
          payload_bytes)
        SELECT gen_random_uuid(), now(), 'api', 'li.lei', 'required', '', '', false,
          '{"tel":"' || text || '"}', 1 FROM unnest(\(written)) AS text
        """)
      let id = try await herald.call(
        .post, "/v1/users", ["identities": ["phone": "+8613522227777"]], key: key
      ).json["id"]?.stringValue
      let answer = try await herald.call(.delete, "/v1/users/\(id ?? "")", key: key)
      #expect(answer.status == 204)
      #expect(
        try await herald.count("SELECT count(*) FROM violations WHERE payload LIKE '%7777%'") == 0)
      #expect(
        try await herald.count("SELECT count(*) FROM violations WHERE payload LIKE '%7770%'") == 1)
      #expect(try await herald.count("SELECT count(*) FROM erasures WHERE names IS NULL") == 1)
    }
  }

  @Test("of long histories are completed in the background, and left-overs are found")
  func background() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      let id = try await herald.user("u-1", key: key)
      let user = try #require(UUID(uuidString: id))
      let now = herald.clock.now
      let count = Erasures.atOnce + 7
      try await herald.execute(
        """
        INSERT INTO events (user_id, name, ts, id, properties, source, received_at)
        SELECT \(user), 'viewed', \(now)::timestamptz - n * interval '1 second', gen_random_uuid(),
          '{"note": "canary", "n": 1}', 'api', \(now) FROM generate_series(1, \(count)) AS n
        """)
      let answer = try await herald.call(.delete, "/v1/users/\(id)", key: key)
      let path = try #require(answer.headers["location"])
      let begun = try await herald.call(.get, path, key: key)
      #expect(begun.json["state"] == "running")
      #expect(begun.json["verified"] == false)
      #expect(begun.json["residue"] == ["events": 7])
      let erasures = Erasures(db: herald.app.db)
      #expect(try await erasures.advance(now: now))
      #expect(try await !erasures.advance(now: now))
      let done = try await herald.call(.get, path, key: key)
      #expect(done.json["state"] == "completed")
      #expect(done.json["verified"] == true)
      #expect(done.json["tables"]?["events"]?["anonymised"] == .int(count))
      #expect(
        try await herald.count(
          "SELECT count(*) FROM events WHERE properties = '{\"n\": 1}'") == count)
    }
  }

  @Test("answers kept for repetition that show the person go too")
  func answers() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      try await herald.call(
        .post, "/v1/users",
        ["identities": ["external_id": "canary-1"], "attributes": ["name": "CanaryName"]],
        key: key, headers: ["idempotency-key": "k-1"]
      ).discard()
      let kept: SQL = """
        SELECT count(*) FROM idempotency_keys
        WHERE position('CanaryName'::bytea IN body) > 0
        """
      #expect(try await herald.count(kept) == 1)
      try await herald.call(.delete, "/v1/users/external_id:canary-1", key: key).discard()
      #expect(try await herald.count(kept) == 0)
    }
  }

  @Test("conflicts of their identities go too")
  func conflicts() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      let id = try await herald.user("u-1", key: key)
      let user = try #require(UUID(uuidString: id))
      let now = herald.clock.now
      try await herald.execute(
        """
        INSERT INTO identity_conflicts (id, one_id, other_id, state, kind, identities, opened_at,
          last_seen_at)
        VALUES (gen_random_uuid(), \(user), 'ffffffff-ffff-7fff-bfff-ffffffffffff', 'open',
          'external_id', '{"phone": ["+8613800138000"]}', \(now), \(now))
        """)
      let answer = try await herald.call(.delete, "/v1/users/\(id)", key: key)
      let proof = try await herald.call(
        .get, try #require(answer.headers["location"]), key: key)
      #expect(proof.json["verified"] == true)
      #expect(proof.json["tables"]?["identity_conflicts"]?["deleted"] == 1)
      #expect(try await herald.count("SELECT count(*) FROM identity_conflicts") == 0)
    }
  }
}
