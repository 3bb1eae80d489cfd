import Cryptography
import Foundation
import Logging
import Migrations
import Postgres

/// Herald's tables in a database.
public enum HeraldSchema {
  public static var migrations: [Migration] {
    Migrations.all.map { file in
      Migration(
        version: file.version, name: file.name, sql: String(decoding: file.sql, as: UTF8.self),
        checksum: Hex.encode(SHA256.hash(file.sql)))
    }
  }

  /// Applies what is pending and the grants. Needs the owner's role.
  public static func migrate(
    _ pool: Pool, progress: @escaping @Sendable (Migration) -> Void = { _ in }
  ) async throws {
    try await Migrator(migrations: migrations).apply(on: pool, progress: progress)
    try await pool.write { tx in
      try tx.execute(script: String(decoding: Migrations.grants, as: UTF8.self))
    }
  }

  public static func status(_ pool: Pool) async throws -> MigrationStatus {
    try await Migrator(migrations: migrations).status(on: pool)
  }
}
