import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Imports of files that no import can read")
struct ImportPoisonTests {
  private func run(
    _ api: PeopleAPI, _ bytes: [UInt8], type: String = "text/csv", kind: String = "users"
  ) async throws -> JSONValue {
    let answer = try await api.call(
      .post, "/v1/imports?kind=\(kind)", bytes: bytes, headers: ["content-type": type])
    let id = try #require(answer.json["job"]?.stringValue)
    while try await api.runner.runNext() {}
    return try await api.call(.get, "/v1/jobs/\(id)").json
  }

  private func utf16(_ text: String, mark: Bool) -> [UInt8] {
    (mark ? [0xFF, 0xFE] : []) + text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
  }

  @Test("fail with what is wrong, and are not begun again")
  func header() async throws {
    try await PeopleAPI.with { api in
      let files = [
        Array("external_id,na\0me\nx1,y\n".utf8), Array("external_id,na".utf8) + [0xFF, 0x0A],
        utf16("external_id,name\nx1,y\n", mark: true),
        utf16("external_id,name\nx1,y\n", mark: false),
      ]
      for file in files {
        let job = try await run(api, file)
        #expect(job["state"] == "failed")
        #expect(job["problem"]?.stringValue?.contains("UTF-8") == true, "\(job)")
      }
      let lines = utf16("{\"identities\":{\"external_id\":\"x1\"}}\n", mark: true)
      let job = try await run(api, lines, type: "application/x-ndjson")
      #expect(job["state"] == "failed")
      #expect(job["problem"]?.stringValue?.contains("UTF-8") == true)
      #expect(try await api.count("SELECT count(*) FROM job_chunks") == 0)
    }
  }

  @Test("whatever they meet, they are over, unless it is the database that is away")
  func unforeseen() async throws {
    struct Surprise: Error {}
    struct Thrower: EventObserver {
      func observe(_ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction) throws {
        throw Surprise()
      }
    }
    try await PeopleAPI.with(observers: [Thrower()]) { api in
      let file = Array("external_id,name\nx1,paid\n".utf8)
      let job = try await run(api, file, kind: "events")
      #expect(job["state"] == "failed")
    }
  }
}
