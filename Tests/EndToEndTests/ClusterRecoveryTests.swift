import Foundation
import Glibc
import Postgres
import Testing

@testable import HeraldCLI

@Suite("The private PostgreSQL after accidents")
struct ClusterRecoveryTests {
  @Test("a server that outlived a killed Herald is adopted, and stopped at the end")
  func orphan() async throws {
    try await ClusterScene.run { scene in
      let killed = try await ClusterProcess(scene, arguments: ["--as-serve"])
      let server = try #require(scene.runningServer)
      _ = await killed.end(SIGKILL)
      #expect(scene.runningServer == server)
      let next = try await scene.open(.serve)
      #expect(next.process == server)
      #expect(try await ClusterScene.text(next.appURL, "SELECT 'here'") == "here")
      await next.close()
      #expect(scene.runningServer == nil)
    }
  }

  @Test("a killed server leaves its file behind and is started again, with what it had committed")
  func killedServer() async throws {
    try await ClusterScene.run { scene in
      let first = try await scene.open(.command)
      _ = try await ClusterScene.text(first.ownerURL, "CREATE TABLE kept AS SELECT 'yes' AS word")
      kill(first.process, SIGKILL)
      let second = try await scene.open(.command)
      #expect(second.process != first.process)
      #expect(try await ClusterScene.text(second.ownerURL, "SELECT word FROM kept") == "yes")
      await first.close()
      await second.close()
      #expect(scene.runningServer == nil)
    }
  }

  @Test("a process number that another program has got since is not taken for the server")
  func reusedNumber() async throws {
    try await ClusterScene.run { scene in
      let first = try await scene.open(.command)
      let text = ClusterFiles.tail(scene.database + "/postmaster.pid")
      await first.close()
      let rest = text.drop { $0 != "\n" }
      let owner = try #require(ClusterFiles.entry(scene.database)).owner
      // This test's own number: alive, and under the server's user if that is ours.
      let old = "\(getpid())\(rest)"
      try ClusterFiles.replace(scene.database + "/postmaster.pid", with: old, owner: owner)
      try ClusterFiles.replace(scene.path + "/socket/.s.PGSQL.5432.lock", with: old, owner: owner)
      let second = try await scene.open(.command)
      #expect(second.process != getpid())
      await second.close()
      #expect(scene.runningServer == nil)
    }
  }

  @Test("a first start that was cut short is made good by the next")
  func interruptedInitialisation() async throws {
    try await ClusterScene.run { scene in
      let draft = scene.path + "/postgres.new"
      try FileManager.default.createDirectory(
        atPath: draft + "/base", withIntermediateDirectories: true)
      chmod(scene.path, 0o711)
      let cluster = try await scene.open(.command)
      await cluster.close()
      #expect(!FileManager.default.fileExists(atPath: draft))
    }
  }

  @Test("a data directory too long for a socket gets one elsewhere, which the next start finds")
  func longPath() async throws {
    try await ClusterScene.run(path: String(repeating: "/a-long-name", count: 12)) { scene in
      let killed = try await ClusterProcess(scene)
      _ = await killed.end(SIGKILL)
      let next = try await scene.open(.command)
      let elsewhere = ClusterFiles.tail(scene.path + "/socket-directory")
      #expect(elsewhere.utf8.count < 40)
      #expect(next.appURL.contains(elsewhere))
      #expect(ClusterFiles.entry(elsewhere)?.mode == 0o700)
      await next.close()
      #expect(ClusterFiles.entry(elsewhere) == nil)
    }
  }

  @Test("a database of another major version is refused and left as it is")
  func otherVersion() async throws {
    try await ClusterScene.run { scene in
      try await scene.openAndClose()
      let file = scene.database + "/PG_VERSION"
      try "9\n".write(toFile: file, atomically: false, encoding: .utf8)
      let sentence = try await scene.refusal(.serve)
      #expect(sentence.contains("made by PostgreSQL 9") && sentence.contains("herald backup"))
      try "fifteen\n".write(toFile: file, atomically: false, encoding: .utf8)
      #expect(try await scene.refusal(.serve).contains("PG_VERSION cannot be read"))
    }
  }

  @Test("without server programs the refusal says how to get them")
  func noPrograms() async throws {
    try await ClusterScene.run { scene in
      let sentence = try await scene.refusal(
        .command, environment: ["HERALD_POSTGRES_BIN": "/nowhere"])
      #expect(sentence.contains("looked in /nowhere") && sentence.contains("apt-get install"))
    }
  }

  @Test("a server that cannot start is reported in its own words", .timeLimit(.minutes(2)))
  func unusableSettings() async throws {
    try await ClusterScene.run { scene in
      try await scene.openAndClose()
      try "work_mem = 'much'\n".write(
        toFile: scene.database + "/local.conf", atomically: false, encoding: .utf8)
      let owner = try #require(ClusterFiles.entry(scene.database)).owner
      chown(scene.database + "/local.conf", owner.user, owner.group)
      #expect(try await scene.refusal(.command).contains("work_mem"))
    }
  }

  @Test(
    "under root, a directory that PostgreSQL's user cannot reach is refused by name",
    .enabled(if: geteuid() == 0, "needs root"))
  func closedDirectory() async throws {
    try await ClusterScene.run(path: "/below") { scene in
      let closed = URL(fileURLWithPath: scene.path).deletingLastPathComponent().path
      try FileManager.default.createDirectory(
        atPath: scene.path, withIntermediateDirectories: true)
      chmod(scene.path, 0o711)
      chmod(closed, 0o700)
      #expect(try await scene.refusal(.serve).contains("chmod o+x \(closed)"))
    }
  }
}
