import Foundation
import HTTP
import JSON
import Postgres
import Synchronization
import Testing

@testable import Herald

@Suite("Imports")
struct ImportTests {
  private static let csv: HTTPHeaders = ["content-type": "text/csv; charset=utf-8"]
  private static let ndjson: HTTPHeaders = ["content-type": "application/x-ndjson"]

  private func start(
    _ api: PeopleAPI, _ kind: String, _ text: String, _ headers: HTTPHeaders = csv
  ) async throws -> String {
    let answer = try await api.call(
      .post, "/v1/imports?kind=\(kind)", bytes: Array(text.utf8), headers: headers)
    #expect(answer.status == 202)
    return answer.json["job"]?.stringValue ?? ""
  }

  private func run(
    _ api: PeopleAPI, _ kind: String, _ text: String, _ headers: HTTPHeaders = csv
  ) async throws -> (id: String, job: JSONValue) {
    let id = try await start(api, kind, text, headers)
    while try await api.runner.runNext() {}
    return (id, try await api.call(.get, "/v1/jobs/\(id)").json)
  }

  @Test("of users from CSV set what the header names")
  func usersCSV() async throws {
    try await PeopleAPI.with { api in
      let text = """
        \u{FEFF}external_id,phone,attributes.name,age,zip,tags.vip,tags.tier,consents.sms,time_zone,locale\r
        u-1,138 0013 8000,"Li, Lei",41,007,true,gold,granted,Asia/Shanghai,zh-cn\r
        \r
        u-2,,"two
        lines",,,,,,,\r

        """
      let (_, job) = try await run(api, "users", text)
      #expect(job["state"] == "completed")
      #expect(job["done"] == 2 && job["total"] == 2 && job["failed"] == 0)
      let user = try await api.call(.get, "/v1/users/external_id:u-1").json
      #expect(user["identities"] == ["external_id": "u-1", "phone": "+8613800138000"])
      #expect(user["attributes"] == ["name": "Li, Lei", "age": 41, "zip": "007"])
      #expect(user["tags"] == ["vip": true, "tier": "gold"])
      #expect(user["consents"] == ["sms": "granted"])
      #expect(user["time_zone"] == "Asia/Shanghai" && user["locale"] == "zh-CN")
      let second = try await api.call(.get, "/v1/users/external_id:u-2").json
      #expect(second["attributes"] == ["name": "two\nlines"])
      #expect(try await api.count("SELECT count(*) FROM job_chunks") == 0)
    }
  }

  @Test("say of every bad record what is wrong, and take the good ones")
  func errors() async throws {
    try await PeopleAPI.with { api in
      let text = """
        external_id,email,consents.sms
        u-1,li@example.com,granted
        u-2,nonsense,granted
        ,,denied
        u-3,a@example.com,perhaps
        u-4,x@example.com
        u-5,"y"@example.com,granted
        u-6,z@example.com,denied
        """
      let (id, job) = try await run(api, "users", text)
      #expect(job["done"] == 7 && job["failed"] == 5)
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
      let errors = try await api.call(.get, "/v1/jobs/\(id)/errors")
      #expect(errors.headers["content-type"] == "text/csv; charset=utf-8")
      let lines = errors.text.split(separator: "\r\n").map { $0.split(separator: ",").prefix(3) }
      #expect(lines.first == ["line", "code", "pointer"])
      #expect(lines.dropFirst().compactMap { $0.first.flatMap { Int($0) } } == [3, 4, 5, 6, 7])
      #expect(lines[1] == ["3", "invalid_format", "/email"])
      #expect(!errors.text.contains("nonsense"))
    }
  }

  @Test("of users and events from NDJSON take the API's shapes")
  func ndjson() async throws {
    try await PeopleAPI.with { api in
      let users = """
        {"identities":{"external_id":"u-1"},"attributes":{"age":41},"tags":{"vip":true}}
        {"identities":{"external_id":"u-2"},"surprise":1}
        not json

        {"identities":{"external_id":"u-3"}}
        """
      let (_, job) = try await run(api, "users", users, Self.ndjson)
      #expect(job["done"] == 4 && job["failed"] == 2 && job["total"] == 4)
      let events = """
        {"message_id":"m1","user":{"external_id":"u-1"},"name":"paid","timestamp":"2026-01-01T00:00:00Z","properties":{"amount":1.50}}
        {"message_id":"m1","user":{"external_id":"u-1"},"name":"paid","timestamp":"2026-01-01T00:00:00Z"}
        {"user":{"external_id":"u-1"}}
        """
      let (_, second) = try await run(api, "events", events, Self.ndjson)
      #expect(second["done"] == 3 && second["failed"] == 1)
      let stored: String = try await api.db.read {
        try $0.one("SELECT properties::text FROM events")?.get(0) ?? ""
      }
      #expect(stored == #"{"amount": 1.50}"#)
    }
  }

  @Test("of events from CSV recognise numbers; a second import adds nothing")
  func eventsCSV() async throws {
    try await PeopleAPI.with { api in
      let text = """
        user.external_id,name,timestamp,properties.amount,properties.sku
        u-1,paid,2026-01-01T00:00:00+08:00,12.50,0042
        u-1,paid,1960-01-01T00:00:00+08:00,1,1
        """
      let (_, job) = try await run(api, "events", text)
      #expect(job["done"] == 2 && job["failed"] == 1)
      let stored: String = try await api.db.read {
        try $0.one("SELECT properties::text FROM events")?.get(0) ?? ""
      }
      #expect(stored == #"{"sku": "0042", "amount": 12.50}"#)
      _ = try await run(api, "events", text)
      #expect(try await api.count("SELECT count(*) FROM events") == 1)
    }
  }

  @Test("of a list replace its members in one new version")
  func list() async throws {
    try await PeopleAPI.with { api in
      for name in ["a", "b", "c"] { try await api.user(name) }
      _ = try await api.db.write { tx in
        try tx.execute(
          """
          INSERT INTO segments (key, name, kind, refresh, created_at, updated_at)
          VALUES ('crowd', 'Crowd', 'static', '"static"', \(PeopleAPI.now), \(PeopleAPI.now))
          """)
      }
      func members(_ version: Int) async throws -> Int {
        try await api.count(
          """
          SELECT count(*) FROM segment_members WHERE segment = 'crowd'
            AND from_version <= \(version) AND (until_version IS NULL OR until_version > \(version))
          """)
      }
      let (_, first) = try await run(
        api, "segment:crowd", "external_id,note\na,x\nb,x\na,x\nno,x\n")
      #expect(first["state"] == "completed" && first["failed"] == 1 && first["done"] == 4)
      _ = try await run(
        api, "segment:crowd", "\"external_id:b\"\n{\"external_id\":\"c\"}\n", Self.ndjson)
      #expect(try await members(1) == 2)
      #expect(try await members(2) == 2)
      #expect(try await api.count("SELECT list_version FROM segments") == 2)
      #expect(try await api.count("SELECT count(*) FROM job_members") == 0)
      #expect(
        try await api.call(
          .post, "/v1/imports?kind=segment:none", bytes: [], headers: Self.csv
        ).status == 404)
    }
  }

  @Test("killed between batches go on where the last one ended")
  func resumes() async throws {
    let killer = KillingObserver(after: 3)
    try await PeopleAPI.with(observers: [killer], batchSize: 10) { api in
      let lines = (0..<100).map { n in
        #"{"user":{"external_id":"u-\#(n % 7)"},"name":"e","properties":{"n":\#(n)}}"#
      }
      let id = try await start(api, "events", lines.joined(separator: "\n"), Self.ndjson)
      await #expect(throws: CancellationError.self) { try await api.runner.runNext() }
      let half = try await api.call(.get, "/v1/jobs/\(id)").json
      #expect(half["state"] == "running" && half["done"] == 30)
      #expect(try await api.runner.runNext() == false)
      _ = try await api.db.write {
        try $0.execute("UPDATE jobs SET leased_until = clock_timestamp() - interval '1 second'")
      }
      #expect(try await api.runner.runNext())
      let job = try await api.call(.get, "/v1/jobs/\(id)").json
      #expect(job["state"] == "completed" && job["done"] == 100)
      // The events have no key: each line stored twice would show.
      #expect(try await api.count("SELECT count(*) FROM events") == 100)
      #expect(
        try await api.count("SELECT count(DISTINCT properties ->> 'n') FROM events") == 100)
    }
  }

  @Test("larger than a chunk are read across its edge")
  func chunks() async throws {
    try await PeopleAPI.with { api in
      let pad = String(repeating: "很", count: 700)
      let rows = (0..<400).map { "u-\($0),\"\(pad)\n\($0)\"" }
      let text = "external_id,note\n" + rows.joined(separator: "\n")
      #expect(text.utf8.count > 3 * Job.chunkBytes)
      let (_, job) = try await run(api, "users", text)
      #expect(job["done"] == 400 && job["failed"] == 0)
      let last = try await api.call(.get, "/v1/users/external_id:u-399").json
      #expect(last["attributes"]?["note"] == .string("\(pad)\n399"))
    }
  }

  @Test("of many records tell the planner of them")
  func analyzes() async throws {
    try await PeopleAPI.with { api in
      let statistics = SQL(
        """
        SELECT count(*) FROM pg_stats
        WHERE tablename IN ('events', 'events_default', 'users', 'identities')
        """)
      #expect(try await api.count(statistics) == 0)
      let rows = (0..<JobRunner.analyzeFrom).map { "u-\($0),bought,2001-01-01T00:00:00Z" }
      _ = try await run(
        api, "events", "external_id,name,timestamp\n" + rows.joined(separator: "\n"))
      #expect(try await api.count(statistics) > 0)
    }
  }

  @Test("that cannot be read fail with a sentence")
  func unreadable() async throws {
    try await PeopleAPI.with { api in
      for text in ["name,age\nx,1\n", "external_id,external_id\n", "external_id,\u{1}\n"] {
        let (_, job) = try await run(api, "users", text)
        #expect(
          job["state"] == "failed" && job["problem"]?.stringValue?.isEmpty == false, "\(text)")
      }
      #expect(try await run(api, "users", "").job["state"] == "completed")
      #expect(try await api.call(.post, "/v1/imports?kind=users", bytes: []).status == 415)
      #expect(
        try await api.call(.post, "/v1/imports?kind=shoes", bytes: [], headers: Self.csv).status
          == 400)
    }
  }

  @Test("can be cancelled until they are over, and are listed newest first")
  func cancels() async throws {
    try await PeopleAPI.with { api in
      let first = try await start(api, "users", "external_id\nu-1\n")
      let second = try await start(api, "users", "external_id\nu-2\n")
      let list = try await api.call(.get, "/v1/jobs")
      #expect(list.json["data"]?.arrayValue?.map { $0["id"] } == [.string(second), .string(first)])
      #expect(try await api.call(.delete, "/v1/jobs/\(first)").status == 204)
      while try await api.runner.runNext() {}
      #expect(try await api.call(.get, "/v1/jobs/\(first)").json["state"] == "cancelled")
      #expect(try await api.call(.delete, "/v1/jobs/\(second)").status == 409)
      #expect(try await api.count("SELECT count(*) FROM users") == 1)
      #expect(try await api.call(.get, "/v1/jobs/\(UUID().text)").status == 404)
    }
  }
}

/// Throws, once, in the batch after the given number of them.
private final class KillingObserver: EventObserver {
  private let left: Mutex<Int>

  init(after batches: Int) { left = Mutex(batches) }

  func observe(_ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction) throws {
    let isTime = left.withLock { left in
      left -= 1
      return left == -1
    }
    if isTime { throw CancellationError() }
  }
}
