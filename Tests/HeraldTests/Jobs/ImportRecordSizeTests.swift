import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Imports with a record of too many bytes")
struct ImportRecordSizeTests {
  private func run(
    _ api: PeopleAPI, _ text: String, _ type: String = "text/csv"
  ) async throws -> (job: JSONValue, errors: [String]) {
    let answer = try await api.call(
      .post, "/v1/imports?kind=users", bytes: Array(text.utf8), headers: ["content-type": type])
    let id = try #require(answer.json["job"]?.stringValue)
    while try await api.runner.runNext() {}
    let errors = try await api.call(.get, "/v1/jobs/\(id)/errors").text
    return (
      try await api.call(.get, "/v1/jobs/\(id)").json,
      errors.split(separator: "\r\n").dropFirst().map(String.init)
    )
  }

  private let pad = String(repeating: "x", count: 2_200_000)

  @Test("lose that record alone")
  func oneLine() async throws {
    try await PeopleAPI.with { api in
      let rows = (0..<50).map { "u-\($0),a" }
      for (start, huge) in [("", "big,\(pad)"), ("v", "big,\"\(pad)\nand\n\"")] {
        let lines = rows.map { start + $0 } + [huge, "\(start)last,\"b\nc\"", "\(start)end,d,e"]
        let (job, errors) = try await run(
          api, "external_id,note\n" + lines.joined(separator: "\n"))
        #expect(job["state"] == "completed" && job["done"] == 53 && job["failed"] == 2)
        #expect(errors.first?.hasPrefix("52,too_long,") == true, "\(errors)")
        #expect(errors.last?.hasPrefix(start.isEmpty ? "55," : "57,") == true, "\(errors)")
      }
      let records = (0..<50).map { #"{"identities":{"external_id":"w-\#($0)"}}"# }
      let huge = #"{"identities":{"external_id":"big"},"attributes":{"a":"\#(pad)"}}"#
      let (job, errors) = try await run(
        api,
        (records + [huge, #"{"identities":{"external_id":"w-50"}}"#]).joined(separator: "\n"),
        "application/x-ndjson")
      #expect(job["state"] == "completed" && job["done"] == 52 && job["failed"] == 1)
      #expect(errors.first?.hasPrefix("51,too_long,") == true, "\(errors)")
      #expect(try await api.count("SELECT count(*) FROM users") == 153)
    }
  }

  @Test("whose end is not in sight keep the rows before it")
  func noEnd() async throws {
    try await PeopleAPI.with { api in
      let endless = String(repeating: "x", count: ImportBatch.searchBytes + (1 << 20))
      let rows = (0..<50).map { "u-\($0),a" }.joined(separator: "\n")
      let (job, _) = try await run(
        api, "external_id,note\n\(rows)\nu-50,\"\n\(endless)\",\nu-51,b\n")
      #expect(job["state"] == "failed" && job["done"] == 50)
      let problem = job["problem"]?.stringValue ?? ""
      #expect(problem.contains("line 52") && problem.contains("quote"))
      let records = (0..<50).map { #"{"identities":{"external_id":"w-\#($0)"}}"# }
      let (second, _) = try await run(
        api, (records + [endless, records[0]]).joined(separator: "\n"), "application/x-ndjson")
      #expect(second["state"] == "failed" && second["done"] == 50)
      let other = second["problem"]?.stringValue ?? ""
      #expect(other.contains("line 51") && !other.contains("quote"))
      #expect(try await api.count("SELECT count(*) FROM users") == 100)
    }
  }

  @Test("or with a quote that swallowed others say where it opened")
  func openQuote() async throws {
    try await PeopleAPI.with { api in
      let rows = (0..<98).map { "u-\($0),a" }.joined(separator: "\n")
      let (job, errors) = try await run(
        api, "external_id,note\nu,\"open\n\(rows)\nv,\"closes\"\nw,b\n")
      #expect(job["state"] == "completed" && job["failed"] == 1 && job["done"] == 2)
      #expect(errors.first?.hasPrefix("2,invalid_csv,") == true)
      #expect(errors.first?.contains("opened on line 2") == true, "\(errors)")
      #expect(errors.first?.contains("line 101") == true, "\(errors)")
      let (never, last) = try await run(api, "external_id,note\nx,b\ny,\"open\n\(rows)\n")
      #expect(never["state"] == "completed" && never["failed"] == 1)
      #expect(last.first?.contains("opened on line 3 is never closed") == true, "\(last)")
      let (header, _) = try await run(api, "external_id,\"note\nx,b\n")
      #expect(header["state"] == "failed")
      #expect(header["problem"]?.stringValue?.contains("line 1") == true)
    }
  }
}
