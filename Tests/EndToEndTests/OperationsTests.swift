import Foundation
import Glibc
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import HeraldCLI

@Suite("Commands for operating Herald", .serialized)
struct OperationsTests {
  private struct Outcome {
    let status: Int32
    let output: String
  }

  /// Runs `herald` to its end in a scene of its own.
  private func herald(
    _ arguments: [String], in scene: ClusterScene, environment: [String: String] = [:]
  ) async throws -> Outcome {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let binary = URL(fileURLWithPath: own).deletingLastPathComponent()
      .appendingPathComponent("herald").path
    let programs = try ProgramGroup(directory: scene.root)
    let program = try programs.start(
      "run-\(UUID().uuidString)", [binary] + arguments,
      environment: ["HERALD_DATA_DIR": scene.path, "HERALD_LISTEN": "127.0.0.1:0"]
        .merging(environment) { $1 })
    let status = await program.end(within: .seconds(120))
    let output = program.output
    await programs.end()
    return Outcome(status: try #require(status, "\(output)"), output: output)
  }

  @Test("openapi prints the document without a database")
  func openAPI() async throws {
    try await ClusterScene.run { scene in
      let printed = try await herald(["openapi"], in: scene)
      #expect(printed.status == 0)
      let document = try JSONScanner.parse(Array(printed.output.utf8.dropLast()))
      #expect(document["openapi"]?.stringValue == "3.1.0")
      #expect(document["paths"]?["/metrics"] != nil)
      #expect(ClusterFiles.entry(scene.path) == nil)
    }
  }

  @Test("backup and restore bring the database back, stopped until resume --after-restore")
  func backup() async throws {
    try await ClusterScene.run { scene in
      // Any command brings the private database to the schema.
      let key = ["keys", "create", "--role", "admin", "--principal", "li.lei", "--name", "first"]
      #expect(try await herald(key, in: scene).status == 0)
      let file = scene.root + "/herald.dump"
      let saved = try await herald(["backup", file], in: scene)
      #expect(saved.status == 0, "\(saved.output)")
      #expect(ClusterFiles.entry(file)?.mode == 0o600)
      let again = try await herald(["backup", file], in: scene)
      #expect(again.status != 0)
      #expect(again.output.contains("exists already"))

      #expect(try await herald(key, in: scene).status == 0)
      let refused = try await herald(["restore", file], in: scene)
      #expect(refused.status != 0)
      #expect(refused.output.contains("is not empty"))
      let restored = try await herald(["restore", "--force", file], in: scene)
      #expect(restored.status == 0, "\(restored.output)")
      try await inDatabase(scene) { url in
        let found1 = try await ClusterScene.text(url, "SELECT count(*)::text FROM api_keys")
        #expect(found1 == "1")
        let stop: SQL = "SELECT scope || ' ' || stopped_by || ' ' || reason FROM stops"
        let found2 = try await ClusterScene.text(url, stop)
        #expect(found2 == "all herald restored")
      }
      let doctor = try await herald(["doctor"], in: scene)
      #expect(doctor.output.contains("herald resume --after-restore"), "\(doctor.output)")
      #expect(doctor.status == 0, "\(doctor.output)")
      let resumed = try await herald(["resume", "--after-restore"], in: scene)
      #expect(resumed.output == "Dispatch goes on.\n")
      try await inDatabase(scene) { url in
        let found3 = try await ClusterScene.text(url, "SELECT count(*)::text FROM stops")
        #expect(found3 == "0")
      }
    }
  }

  /// As the role `serve` uses: a restored database must let it work.
  private func inDatabase(
    _ scene: ClusterScene, _ body: (String) async throws -> Void
  ) async throws {
    let cluster = try await scene.open(.command)
    let result: Result<Void, any Error>
    do { result = .success(try await body(cluster.appURL)) } catch { result = .failure(error) }
    await cluster.close()
    try result.get()
  }

  @Test("doctor says what is wrong with the configuration, as JSON too")
  func configuration() async throws {
    try await ClusterScene.run { scene in
      let wrong = try await herald(
        ["doctor", "--json"], in: scene, environment: ["HERALD_LISTEN": "8080"])
      #expect(wrong.status == 1)
      let document = try JSONScanner.parse(Array(wrong.output.utf8.dropLast()))
      #expect(document["ok"] == false)
      #expect(document["findings"]?.arrayValue?.first?["check"] == "configuration")
      let misspelt = try await herald(
        ["doctor"], in: scene, environment: ["HERALD_DATABSE_URL": "x"])
      #expect(misspelt.output.contains("did you mean HERALD_DATABASE_URL?"))
    }
  }

  @Test(
    "what keeps serve from starting is said in a sentence",
    arguments: [
      (["HERALD_LISTEN": "127.0.0.1:99999"], "must be host:port"),
      (["HERALD_LISTEN": "192.0.2.1:8080"], "cannot listen on 192.0.2.1:8080"),
      (["HERALD_DATABASE_URL": "postgresql://h@127.0.0.1:1/x"], "PostgreSQL cannot be used"),
      (["HERALD_DATABASE_URL": "nonsense"], "correct HERALD_DATABASE_URL"),
      (["HERALD_POSTGRES_BIN": "/nowhere"], "apt-get install postgresql"),
      (["HERALD_DATA_DIR": "/proc/herald"], "HERALD_DATA_DIR"),
    ])
  func refusals(environment: [String: String], sentence: String) async throws {
    try await ClusterScene.run { scene in
      let outcome = try await herald(["serve"], in: scene, environment: environment)
      #expect(outcome.status == 1)
      #expect(outcome.output.contains(sentence), "\(outcome.output)")
      #expect(!outcome.output.contains("Error("), "\(outcome.output)")
    }
  }

  @Test(
    "a mistyped setting is answered with the one that was meant",
    arguments: [
      ("HERALD_LISTN", "did you mean HERALD_LISTEN?"), ("HERALD_ELEPHANT", "is ignored"),
    ])
  func names(name: String, sentence: String) throws {
    let configuration = try Configuration(
      environment: [name: "x", "HERALD_LOG_LEVEL": "info", "HERALD_TEST_X": "1"])
    #expect(configuration.unknownNames.count == 1)
    #expect(configuration.unknownNames.first?.contains(sentence) == true)
  }
}
