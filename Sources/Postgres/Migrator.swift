/// Brings a database to the program's schema, forward only.
///
/// Each migration is one transaction under an advisory lock, and looks again under the lock whether it
/// is still due: programs started at the same moment apply each one once. Whatever interrupts it, a
/// migration is in the table `schema_migrations` exactly when its changes are.
public struct Migrator: Sendable {
  private let migrations: [Migration]

  public init(migrations: [Migration]) {
    self.migrations = migrations.sorted { $0.version < $1.version }
  }

  /// Reads only; a database without the table has everything pending.
  public func status(on pool: Pool) async throws -> MigrationStatus {
    try checkVersions()
    return try await pool.snapshot { try status(in: $0) }
  }

  /// Applies what is pending. Throws `MigrationError` for a newer or altered schema and for a migration
  /// that PostgreSQL refuses.
  /// - Parameters:
  ///   - timeout: for each migration, waiting for another program's migration included.
  ///   - progress: called after each migration's commit.
  public func apply(
    on pool: Pool, timeout: Duration = .seconds(3600),
    progress: @escaping @Sendable (Migration) -> Void = { _ in }
  ) async throws {
    try checkVersions()
    while let applied = try await applyNext(on: pool, timeout: timeout) { progress(applied) }
  }

  /// - Returns: the migration that was applied, `nil` when none was due.
  private func applyNext(on pool: Pool, timeout: Duration) async throws -> Migration? {
    try await pool.write(timeout: timeout) { transaction in
      try transaction.execute(Statements.lock)
      try transaction.execute(Statements.createTable)
      switch try status(in: transaction) {
      case .current: return nil
      case .newer(let version): throw MigrationError.newer(version)
      case .altered(let migration): throw MigrationError.altered(migration)
      case .pending(let pending):
        guard let migration = pending.first else { return nil }
        do {
          try transaction.execute(script: migration.sql)
          try transaction.execute(Statements.record(migration))
        } catch let error as PostgresError where error.kind == .server && !error.isRetryable {
          throw MigrationError.failed(
            version: migration.version, name: migration.name, error)
        }
        return migration
      }
    }
  }

  private func status(in session: any Queryable) throws -> MigrationStatus {
    guard try session.one(Statements.findTable)?.get("found") == true else {
      return migrations.isEmpty ? .current : .pending(migrations)
    }
    var applied: [Int: String] = [:]
    for row in try session.query(Statements.list) {
      applied[try row.get("version")] = try row.get("checksum", as: String.self)
    }
    let known = Set(migrations.map(\.version))
    if let unknown = applied.keys.filter({ !known.contains($0) }).max() { return .newer(unknown) }
    let altered = migrations.first { migration in
      applied[migration.version].map { !$0.utf8.elementsEqual(migration.checksum.utf8) } ?? false
    }
    if let altered { return .altered(altered) }
    let pending = migrations.filter { applied[$0.version] == nil }
    return pending.isEmpty ? .current : .pending(pending)
  }

  private func checkVersions() throws {
    for (previous, next) in zip(migrations, migrations.dropFirst())
    where previous.version == next.version {
      throw MigrationError.duplicateVersion(next.version)
    }
  }
}

private enum Statements {
  /// Any constant will do that no other program takes; held to the transaction's end.
  static let lock: SQL = "SELECT pg_advisory_xact_lock(7236270938612)"

  static let findTable: SQL = "SELECT to_regclass('schema_migrations') IS NOT NULL AS found"

  static let createTable: SQL = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
      version int8 PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """

  static let list: SQL = "SELECT version, checksum FROM schema_migrations"

  static func record(_ migration: Migration) -> SQL {
    """
    INSERT INTO schema_migrations (version, name, checksum)
    VALUES (\(migration.version), \(migration.name), \(migration.checksum))
    """
  }
}
