import Foundation
import JSON
import Logging
import HTTP
import Testing

@testable import HeraldCLI

@Suite("herald import", .serialized)
struct ImportCommandTests {
  /// A Herald for one test, and what a command needs to find it.
  private func withHerald(
    _ body: (ThrowAwayHerald, [String: String]) async throws -> Void
  ) async throws {
    let herald = ThrowAwayHerald(
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    let result: Result<Void, any Error>
    do {
      let addresses = try await herald.start()
      result = .success(
        try await body(
          herald, ["HERALD_URL": addresses.herald, "HERALD_KEY": herald.adminKey]))
    } catch {
      result = .failure(error)
    }
    await herald.end()
    try result.get()
  }

  private func write(_ text: String, _ name: String, _ herald: ThrowAwayHerald) throws -> String {
    let path = "\(herald.directory)/\(name)"
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  private static let people = "external_id,phone\nu-1,13800138000\nu-2,nonsense\nu-3,\n"

  @Test("takes the good rows, fails for the bad ones and saves which they were")
  func faults() async throws {
    try await withHerald { herald, environment in
      let file = try write(Self.people, "people.csv", herald)
      let strict = try HeraldProcess(["import", "users", file], environment: environment)
      #expect(await strict.end() == 1)
      #expect(strict.output.contains("2 of 3 rows imported."), "\(strict.output)")

      let errors = herald.directory + "/errors.csv"
      let lenient = try HeraldProcess(
        ["import", "users", file, "--allow-failures", "--errors", errors],
        environment: environment)
      #expect(await lenient.end() == 0)
      let saved = try String(contentsOfFile: errors, encoding: .utf8)
      #expect(saved.contains("3,invalid_format,/phone,"))

      let job = try #require(strict.output.firstMatch(of: /--resume ([0-9a-f-]{36})/))
      let again = try HeraldProcess(
        ["import", "--resume", String(job.1)], environment: environment)
      #expect(await again.end() == 1)
      #expect(again.output.contains("2 of 3 rows imported."))
    }
  }

  @Test("reads gzip and NDJSON from a pipe whose length nobody knows")
  func pipe() async throws {
    try await withHerald { herald, environment in
      let input = Pipe()
      let events = try HeraldProcess(
        ["import", "events", "-"], environment: environment, input: input)
      for index in 0..<3000 {
        let line = #"{"user":{"external_id":"u-\#(index)"},"name":"seen","message_id":"\#(index)"}"#
        try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
      }
      try input.fileHandleForWriting.close()
      #expect(await events.end() == 0)
      #expect(events.output.contains("3,000 of 3,000 rows imported."), "\(events.output)")

      let data = DemoData.sample
      let path = herald.directory + "/purchases.csv.gz"
      try Data(data.gzip).write(to: URL(fileURLWithPath: path))
      let gzip = try HeraldProcess(["import", "users", path], environment: environment)
      // Its header names nobody's identity: Herald has read it, so it was inflated.
      #expect(await gzip.end() == 1)
      #expect(gzip.output.contains("whose each row is"), "\(gzip.output)")
    }
  }

  @Test("that is interrupted while uploading imports nothing, not a part")
  func brokenUpload() async throws {
    try await withHerald { herald, environment in
      let input = Pipe()
      let upload = try HeraldProcess(
        ["import", "users", "-", "--format", "csv"], environment: environment, input: input)
      let rows = (0..<2000).map { "u-\($0),\n" }.joined()
      try input.fileHandleForWriting.write(contentsOf: Data(("external_id,phone\n" + rows).utf8))
      let http = HeraldClient.connection()
      let client = HeraldClient(
        url: environment["HERALD_URL"] ?? "", key: herald.adminKey, http: http)
      func job() async throws -> JobView? {
        try await client.call("GET", "/v1/jobs")["data"]?.arrayValue?.first.map(JobView.init)
      }
      while try await job()?.state != "receiving" { try await Task.sleep(for: .milliseconds(20)) }
      upload.signal(SIGINT)
      // As when Ctrl-C also ended the program before the pipe.
      try input.fileHandleForWriting.close()
      #expect(await upload.end() == 130)
      #expect(upload.output.contains("broken off"), "\(upload.output)")
      while try await job()?.state == "receiving" { try await Task.sleep(for: .milliseconds(20)) }
      #expect(try await job()?.state == "failed")
      #expect(try await job()?.done == 0)
      await http.shutdown(grace: .zero)
    }
  }

  @Test("that is interrupted while following leaves the job running")
  func following() async throws {
    try await withHerald { herald, environment in
      let rows = (0..<100_000).map { "u-\($0),\n" }.joined()
      let file = try write("external_id,phone\n" + rows, "many.csv", herald)
      let process = try HeraldProcess(["import", "users", file], environment: environment)
      #expect(await process.signal(SIGINT) { $0.contains("is uploaded as job") })
      #expect(await process.end() == 130)
      let job = try #require(process.output.firstMatch(of: /import --resume ([0-9a-f-]{36})/))
      let http = HeraldClient.connection()
      let client = HeraldClient(
        url: environment["HERALD_URL"] ?? "", key: herald.adminKey, http: http)
      let state = JobView(try await client.call("GET", "/v1/jobs/\(job.1)")).state
      #expect(["queued", "running"].contains(state))
      try await client.call("DELETE", "/v1/jobs/\(job.1)")
      await http.shutdown(grace: .zero)
    }
  }
}
