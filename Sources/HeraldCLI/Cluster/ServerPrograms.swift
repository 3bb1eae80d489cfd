import Foundation
import Glibc

/// A directory with PostgreSQL's server programs, and their major version.
struct ServerPrograms: Sendable, Equatable {
  static let oldestVersion = 15

  let directory: String
  let version: Int

  var initdb: String { directory + "/initdb" }
  var postgres: String { directory + "/postgres" }

  /// The first directory in the order of `candidates` that serves. `version` is that of an existing
  /// database: programs of the same version are preferred then, wherever they lie.
  static func find(
    version: Int?, environment: [String: String] = ProcessInfo.processInfo.environment
  ) async throws(ClusterError) -> ServerPrograms {
    let directories = await candidates(environment)
    var found: [ServerPrograms] = []
    for directory in directories {
      if let programs = await examine(directory) { found.append(programs) }
    }
    guard let first = found.first else { throw .noServerPrograms(searched: directories) }
    let isChosen = environment["HERALD_POSTGRES_BIN"].map { !$0.isEmpty } ?? false
    let programs = isChosen ? first : found.first { $0.version == version } ?? first
    guard programs.version >= oldestVersion else {
      throw .tooOld(version: programs.version, programs: programs.directory)
    }
    return programs
  }

  /// Where to look: the directory named by `HERALD_POSTGRES_BIN` and nowhere else; otherwise what
  /// `pg_config` says, the packagers' usual places (newest first), and `PATH`.
  static func candidates(
    _ environment: [String: String], program: String = "initdb"
  ) async -> [String] {
    if let chosen = environment["HERALD_POSTGRES_BIN"], !chosen.isEmpty { return [chosen] }
    let path = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    var directories: [String] = []
    for directory in path where access(directory + "/pg_config", X_OK) == 0 {
      if let outcome = try? await ChildProcess.run([directory + "/pg_config", "--bindir"]),
        outcome.status == 0
      {
        directories.append(outcome.output.trimmingCharacters(in: .whitespacesAndNewlines))
      }
      break
    }
    directories += versioned("/usr/lib/postgresql", prefix: "", suffix: "/bin")
    directories += versioned("/usr", prefix: "pgsql-", suffix: "/bin")
    directories += path.filter { access("\($0)/\(program)", X_OK) == 0 }
    var seen: Set<String> = []
    return directories.filter { seen.insert($0).inserted }
  }

  private static func versioned(_ parent: String, prefix: String, suffix: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    return
      names
      .compactMap { name in name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count)) : nil }
      .sorted(by: >)
      .map { "\(parent)/\(prefix)\($0)\(suffix)" }
  }

  private static func examine(_ directory: String) async -> ServerPrograms? {
    guard access(directory + "/initdb", X_OK) == 0,
      let outcome = try? await ChildProcess.run([directory + "/postgres", "--version"]),
      outcome.status == 0
    else { return nil }
    return majorVersion(outcome.output).map { ServerPrograms(directory: directory, version: $0) }
  }

  /// Of what a program of PostgreSQL says to `--version`: "postgres (PostgreSQL) 15.18 (Debian …)",
  /// "pg_dump (PostgreSQL) 18beta1".
  static func majorVersion(_ text: String) -> Int? {
    let words = text.split(separator: " ")
    return words.count > 2 ? Int(words[2].prefix { $0.isNumber }) : nil
  }
}
