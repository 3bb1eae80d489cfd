import Foundation
import Glibc
import Logging
import Postgres
import Testing

@testable import HeraldCLI

/// A data directory of one test, removed at its end together with whatever server runs in it.
struct ClusterScene {
  let path: String
  /// What the test may fill as it likes; the data directory lies in it.
  let root: String

  var database: String { path + "/postgres" }

  static func run(
    path name: String = "", _ body: (ClusterScene) async throws -> Void
  ) async throws {
    var template = Array("/tmp/herald-scene.XXXXXX".utf8CString)
    let root = String(cString: try #require(mkdtemp(&template)))
    chmod(root, 0o711)
    let scene = ClusterScene(path: root + "/data" + name, root: root)
    let result: Result<Void, any Error>
    do { result = .success(try await body(scene)) } catch { result = .failure(error) }
    if let left = Postmaster.running(on: scene.database) {
      kill(left.process, SIGQUIT)
      _ = await Pause.until(.seconds(30)) { !left.isServer(of: scene.database) }
    }
    SocketDirectory.discard(
      of: ClusterDirectory(path: scene.path, owner: FileOwner(user: geteuid(), group: getegid())))
    try? FileManager.default.removeItem(atPath: root)
    try result.get()
  }

  func open(
    _ role: EmbeddedCluster.Role, environment: [String: String]? = nil
  ) async throws -> EmbeddedCluster {
    try await EmbeddedCluster.open(
      dataDirectory: path, role: role,
      environment: environment ?? ProcessInfo.processInfo.environment,
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
  }

  /// Leaves a stopped database behind.
  func openAndClose() async throws {
    let cluster = try await open(.command)
    await cluster.close()
  }

  var runningServer: pid_t? { Postmaster.running(on: database)?.process }

  /// What the sentence says that `open` refuses with.
  func refusal(
    _ role: EmbeddedCluster.Role, environment: [String: String]? = nil
  ) async throws -> String {
    do {
      let cluster = try await open(role, environment: environment)
      await cluster.close()
      Issue.record("the cluster was opened")
      return ""
    } catch let error as ClusterError {
      return error.description
    }
  }

  static func text(_ url: String, _ query: SQL) async throws -> String {
    let pool = Pool(
      PoolConfiguration(url: url, size: 1),
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    do {
      let text = try await pool.read { try $0.one(query)?.get(0, as: String.self) ?? "" }
      await pool.close()
      return text
    } catch {
      await pool.close()
      throw error
    }
  }
}

/// `herald cluster` as a process of its own, which can be killed.
struct ClusterProcess {
  private let process = Process()
  private let outputPath: String

  /// Returns when the command has printed how to connect.
  init(_ scene: ClusterScene, arguments: [String] = []) async throws {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    process.executableURL = URL(fileURLWithPath: own).deletingLastPathComponent()
      .appendingPathComponent("herald")
    process.arguments = ["cluster", "--data-dir", scene.path] + arguments
    outputPath = scene.root + "/output-\(UUID().uuidString)"
    _ = FileManager.default.createFile(atPath: outputPath, contents: nil)
    process.standardOutput = FileHandle(forWritingAtPath: outputPath)
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = outputPath
    let child = process
    let isReady = await Pause.until(.seconds(120)) {
      ClusterFiles.tail(output).contains("app ") || !child.isRunning
    }
    guard isReady, child.isRunning else {
      kill(child.processIdentifier, SIGKILL)
      throw ClusterError.startFailed(directory: scene.path, output: ClusterFiles.tail(output))
    }
  }

  func end(_ signal: Int32) async -> Int32 {
    kill(process.processIdentifier, signal)
    let child = process
    _ = await Pause.until(.seconds(60)) { !child.isRunning }
    return process.terminationStatus
  }
}
