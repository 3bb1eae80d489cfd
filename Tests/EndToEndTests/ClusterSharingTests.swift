import Foundation
import Glibc
import Postgres
import Testing

@testable import HeraldCLI

@Suite("The private PostgreSQL, shared by Herald's processes")
struct ClusterSharingTests {
  @Test("an empty directory becomes a durable database that only local users can reach")
  func firstStart() async throws {
    try await ClusterScene.run { scene in
      let cluster = try await scene.open(.serve)
      let settings: [(SQL, String)] = [
        ("SELECT current_user::text", "herald_owner"), ("SHOW fsync", "on"),
        ("SHOW full_page_writes", "on"), ("SHOW synchronous_commit", "on"),
        ("SHOW data_checksums", "on"), ("SHOW listen_addresses", ""),
        ("SHOW server_encoding", "UTF8"), ("SHOW lc_collate", "C.UTF-8"),
        ("SHOW max_connections", "100"), ("SHOW logging_collector", "on"),
      ]
      for (query, expected) in settings {
        #expect(try await ClusterScene.text(cluster.ownerURL, query) == expected)
      }
      let socket = try #require(ClusterFiles.entry(scene.path + "/socket"))
      #expect(socket.mode == 0o700)
      #expect(
        ClusterFiles.tail(scene.database + "/pg_hba.conf").hasSuffix(
          "local all all peer map=herald\n"))
      await cluster.close()
    }
  }

  @Test("the owner may create tables; the application may not, nor temporary ones")
  func roles() async throws {
    try await ClusterScene.run { scene in
      let cluster = try await scene.open(.command)
      _ = try await ClusterScene.text(cluster.ownerURL, "CREATE TABLE things (id int)")
      for statement: SQL in [
        "CREATE TABLE others (id int)", "CREATE TEMPORARY TABLE others (id int)",
        "CREATE SCHEMA elsewhere", "DROP TABLE things", "CREATE ROLE somebody",
        "ALTER ROLE herald_app SUPERUSER", "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')", "SET ROLE herald_owner",
      ] {
        await #expect(throws: PostgresError.self, "\(statement.text)") {
          _ = try await ClusterScene.text(cluster.appURL, statement)
        }
      }
      await cluster.close()
    }
  }

  @Test("a second serve on the directory is refused with the first one's process number")
  func secondServe() async throws {
    try await ClusterScene.run { scene in
      let first = try await scene.open(.serve)
      let sentence = try await scene.refusal(.serve)
      #expect(sentence.contains("process \(getpid())") && sentence.contains("HERALD_DATA_DIR"))
      await first.close()
      let second = try await scene.open(.serve)
      await second.close()
    }
  }

  @Test("a command beside serve uses its server and leaves it running")
  func commandBesideServe() async throws {
    try await ClusterScene.run { scene in
      let serve = try await scene.open(.serve)
      let command = try await scene.open(.command)
      #expect(command.process == serve.process)
      await command.close()
      #expect(scene.runningServer == serve.process)
      await serve.close()
      #expect(scene.runningServer == nil)
    }
  }

  @Test("a command that is still at work keeps the server when serve leaves")
  func serveLeavesFirst() async throws {
    try await ClusterScene.run { scene in
      let command = try await scene.open(.command)
      let serve = try await scene.open(.serve)
      #expect(command.process == serve.process)
      await serve.close()
      #expect(try await ClusterScene.text(command.appURL, "SELECT 'here'") == "here")
      await command.close()
      await command.close()
      #expect(scene.runningServer == nil)
    }
  }

  @Test("many that start and stop at once share one server and leave none")
  func manyAtOnce() async throws {
    try await ClusterScene.run { scene in
      try await withThrowingTaskGroup(of: String.self) { group in
        for _ in 0..<6 {
          group.addTask {
            let cluster = try await scene.open(.command)
            let answer = try await ClusterScene.text(cluster.appURL, "SELECT 'here'")
            await cluster.close()
            return answer
          }
        }
        for try await answer in group { #expect(answer == "here") }
      }
      #expect(scene.runningServer == nil)
    }
  }

  @Test("the command ends in good order on SIGTERM and stops the server")
  func terminated() async throws {
    try await ClusterScene.run { scene in
      let command = try await ClusterProcess(scene)
      #expect(scene.runningServer != nil)
      #expect(await command.end(SIGTERM) == 0)
      #expect(scene.runningServer == nil)
      #expect(!FileManager.default.fileExists(atPath: scene.database + "/postmaster.pid"))
    }
  }
}
