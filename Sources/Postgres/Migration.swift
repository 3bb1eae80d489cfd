/// One step of the schema's history. Once released it is never edited: the database remembers its
/// checksum.
public struct Migration: Sendable, Equatable {
  public var version: Int
  public var name: String
  /// Statements separated by semicolons, run in one transaction.
  public var sql: String
  public var checksum: String

  public init(version: Int, name: String, sql: String, checksum: String) {
    self.version = version
    self.name = name
    self.sql = sql
    self.checksum = checksum
  }
}

public enum MigrationStatus: Sendable, Equatable {
  case current
  /// In the order in which `apply` would run them.
  case pending([Migration])
  /// The database has a version this program does not know.
  case newer(Int)
  /// The database was given another text under this version.
  case altered(Migration)
}

public enum MigrationError: Error, Sendable, Equatable {
  case newer(Int)
  case altered(Migration)
  /// Two migrations of the program carry this version.
  case duplicateVersion(Int)
  /// PostgreSQL refused a migration; it was rolled back, those before it stay.
  case failed(version: Int, name: String, PostgresError)
}
