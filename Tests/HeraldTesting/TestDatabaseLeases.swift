import Foundation
import Postgres

/// Creates and drops test databases, a bounded number at a time, from one template per schema.
actor DatabaseLeases {
  static let shared = DatabaseLeases()

  private static let limit = 12
  private static let prefix = "pgtest"

  private var leased = 0
  private var waiting: [CheckedContinuation<Void, Never>] = []
  private var templates: [String: Task<String, any Error>] = [:]

  func lease(_ migrations: [Migration]) async throws -> TestDatabase {
    await takeTurn()
    do {
      let template = migrations.isEmpty ? "template0" : try await self.template(for: migrations)
      return try await Self.create(from: template)
    } catch {
      passTurn()
      throw error
    }
  }

  func giveBack(_ database: TestDatabase) async throws {
    defer { passTurn() }
    await database.pool.close()
    try await Self.drop(database.name)
  }

  private func takeTurn() async {
    if leased < Self.limit {
      leased += 1
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  private func passTurn() {
    if waiting.isEmpty { leased -= 1 } else { waiting.removeFirst().resume() }
  }

  /// The name of a database with these migrations applied. It carries a digest of them and stays for
  /// the next run.
  private func template(for migrations: [Migration]) async throws -> String {
    let name = "\(Self.prefix)_template_\(Self.digest(migrations))"
    if let known = templates[name] { return try await known.value }
    let task = Task { try await Self.makeTemplate(name, migrations) }
    templates[name] = task
    return try await task.value
  }

  /// Builds under a name of its own and renames: a run that was killed leaves no half-made template,
  /// and of two runs at once the first wins.
  private static func makeTemplate(_ name: String, _ migrations: [Migration]) async throws -> String
  {
    let administration = try TestServer.administration.get()
    let exists = try await administration.read { session in
      try session.one("SELECT FROM pg_database WHERE datname = \(name)") != nil
    }
    if exists { return name }
    let database = try await create(from: "template0")
    try await Migrator(migrations: migrations).apply(on: database.pool)
    await database.pool.close()
    do {
      _ = try await administration.read { session in
        let rename: SQL =
          "ALTER DATABASE \(identifier: database.name) RENAME TO \(identifier: name)"
        return try session.execute(rename.unprepared())
      }
    } catch let error as PostgresError where error.sqlState == "42P04" {
      try await drop(database.name)
    }
    return name
  }

  private static func create(from template: String) async throws -> TestDatabase {
    let random = UUID().uuidString.prefix(8).lowercased()
    let name = "\(prefix)_\(ProcessInfo.processInfo.processIdentifier)_\(random)"
    var connection = try TestServer.connectionString()
    connection["dbname"] = name
    _ = try await TestServer.administration.get().read { session in
      let create: SQL = """
        CREATE DATABASE \(identifier: name) TEMPLATE \(identifier: template) STRATEGY file_copy
        """
      return try session.execute(create.unprepared())
    }
    return TestDatabase(name: name, url: connection.text)
  }

  private static func drop(_ name: String) async throws {
    _ = try await TestServer.administration.get().read { session in
      let drop: SQL = "DROP DATABASE IF EXISTS \(identifier: name) WITH (FORCE)"
      return try session.execute(drop.unprepared())
    }
  }

  /// FNV-1a over versions and texts; tells schemas apart, not adversaries.
  private static func digest(_ migrations: [Migration]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for migration in migrations {
      for byte in "\(migration.version):\(migration.checksum):\(migration.sql)\u{0}".utf8 {
        hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
      }
    }
    return String(hash, radix: 16)
  }
}
