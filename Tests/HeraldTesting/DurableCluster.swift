import Foundation
import Logging
import Postgres

/// The PostgreSQL that flushes to disk and that tests may crash: one for the whole run, so that
/// suites which use it must not run beside each other.
public struct DurableCluster: Sendable {
  public let directory: String
  private let url: String

  /// Nil when the tests were started without one; `make test` starts it.
  public static let current: DurableCluster? = {
    let environment = ProcessInfo.processInfo.environment
    guard let directory = environment["HERALD_TEST_DURABLE_CLUSTER"],
      let url = environment["HERALD_TEST_DURABLE_DATABASE_URL"]
    else { return nil }
    return DurableCluster(directory: directory, url: url)
  }()

  /// Stops it as a power cut would: nothing is flushed that was not flushed before.
  public func crash() async throws { try await script("crash") }

  /// Starts it again; returns when it takes connections.
  public func resume() async throws { try await script("resume") }

  /// Runs `body` with the URL of an empty database, which is dropped at the end.
  public func withDatabase(_ body: (String) async throws -> Void) async throws {
    let name = "torture_\(UUID().uuidString.prefix(8).lowercased())"
    try await administer("CREATE DATABASE \(identifier: name)")
    var connection = try ConnectionString(url)
    connection["dbname"] = name
    let result: Result<Void, any Error>
    do { result = .success(try await body(connection.text)) } catch { result = .failure(error) }
    try await administer("DROP DATABASE IF EXISTS \(identifier: name) WITH (FORCE)")
    try result.get()
  }

  private func administer(_ sql: SQL) async throws {
    let pool = Pool(
      PoolConfiguration(url: url, size: 1, statementTimeout: .seconds(60)),
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
    let result: Result<Int, any Error>
    do {
      result = .success(try await pool.read { try $0.execute(sql.unprepared()) })
    } catch {
      result = .failure(error)
    }
    await pool.close()
    _ = try result.get()
  }

  /// `scripts/scratch-postgres`, which started the cluster, knows how to treat it.
  private func script(_ verb: String) async throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let output = directory + ".\(verb).log"
    defer { unlink(output) }
    let program = try Program(
      [root.path + "/scripts/scratch-postgres", verb, directory],
      environment: ProcessInfo.processInfo.environment, log: output, group: 0)
    guard await program.end(within: .seconds(90)) == 0 else {
      throw Program.Failure(description: "scratch-postgres \(verb) failed: \(program.output)")
    }
  }
}
