import Foundation
import Glibc
import Postgres

/// pg_dump and pg_restore, found beside the server's programs, working on one database. The
/// connection is handed over in the environment: a command line shows to everybody on the machine.
struct DatabasePrograms: Sendable {
  let directory: String
  private let environment: [String: String]

  /// Programs of the server's version, or the next newer ones there are: older ones refuse it.
  static func find(
    for url: String, serverVersion: Int,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) async throws -> DatabasePrograms {
    let directories = await ServerPrograms.candidates(environment, program: "pg_dump")
    var found: (directory: String, version: Int)?
    for directory in directories {
      guard access(directory + "/pg_restore", X_OK) == 0,
        let outcome = try? await ChildProcess.run([directory + "/pg_dump", "--version"]),
        outcome.status == 0, let version = ServerPrograms.majorVersion(outcome.output),
        version >= serverVersion, version < found?.version ?? .max
      else { continue }
      found = (directory, version)
    }
    if let found {
      return DatabasePrograms(
        directory: found.directory, environment: try libraryEnvironment(url, environment))
    }
    throw Sentence(
      """
      pg_dump and pg_restore of PostgreSQL \(serverVersion) or newer were not found (looked in \
      \(directories.joined(separator: ", "))). Install them (Debian, Ubuntu: apt-get install \
      postgresql-client-\(serverVersion)), or name their directory in HERALD_POSTGRES_BIN.
      """)
  }

  /// Runs a program; what it complained of becomes the error.
  @discardableResult
  func run(_ program: String, _ arguments: [String]) async throws -> String {
    let outcome = try await ChildProcess.run(
      ["\(directory)/\(program)"] + arguments, environment: environment)
    guard outcome.status == 0 else {
      let lines = outcome.output.split(separator: "\n").suffix(5).joined(separator: "\n")
      throw Sentence("\(program) failed. It said:\n\(lines)")
    }
    return outcome.output
  }

  /// libpq's variables for what the connection string says, over those Herald itself was given.
  private static func libraryEnvironment(
    _ url: String, _ environment: [String: String]
  ) throws -> [String: String] {
    let connection = try ConnectionString(url)
    var variables = environment.filter { $0.key.hasPrefix("PG") || $0.key == "HOME" }
    for (keyword, variable) in names {
      if let value = connection[keyword] { variables[variable] = value }
    }
    return variables
  }

  /// Table 34.1 of PostgreSQL's documentation, section "Environment Variables".
  private static let names = [
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE",
    "user": "PGUSER", "password": "PGPASSWORD", "passfile": "PGPASSFILE",
    "channel_binding": "PGCHANNELBINDING", "service": "PGSERVICE", "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT", "sslcrl": "PGSSLCRL", "sslsni": "PGSSLSNI",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION", "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME", "gsslib": "PGGSSLIB", "connect_timeout": "PGCONNECT_TIMEOUT",
    "requirepeer": "PGREQUIREPEER", "target_session_attrs": "PGTARGETSESSIONATTRS",
  ]
}
