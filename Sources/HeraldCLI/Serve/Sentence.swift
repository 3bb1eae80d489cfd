import Foundation
import HTTP
import Herald
import Postgres

/// An error as a sentence for the person at the terminal.
struct Sentence: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }

  init(_ error: any Error) {
    description =
      switch error {
      case let error as HeraldError: error.message
      case let error as PostgresError: Self.text(error)
      case let error as MigrationError: Self.text(error)
      case let error as ListenError: Self.text(error)
      case let error as CocoaError: error.localizedDescription
      case let error as any CustomStringConvertible: error.description
      default: error.localizedDescription
      }
  }

  private static func text(_ error: PostgresError) -> String {
    let message = error.message.trimmingCharacters(in: .whitespacesAndNewlines)
    return switch error.kind {
    case .connectionLost:
      """
      PostgreSQL cannot be reached: \(message). Look whether it runs and whether \
      HERALD_DATABASE_URL leads to it (`herald doctor` looks too).
      """
    case .timeout, .poolTimeout, .outcomeUnknown:
      "PostgreSQL did not answer in time: \(message). `herald doctor` shows how it is."
    case .encoding where message.contains("connection string"):
      "HERALD_DATABASE_URL cannot be read; it looks like postgresql://user@host/database."
    case .server where error.sqlState == "42501":
      """
      PostgreSQL refuses: \(message). The role lacks rights; run `herald migrate` with \
      HERALD_MIGRATE_DATABASE_URL set to the owner's connection.
      """
    default: "PostgreSQL refuses: \(message)."
    }
  }

  private static func text(_ error: MigrationError) -> String {
    switch error {
    case .newer(let version):
      """
      The database has schema \(version), which is newer than this program. Start the newer Herald \
      instead.
      """
    case .altered(let migration):
      """
      Migration \(migration.version) (\(migration.name)) of the database is not this program's. This \
      database belongs to another build.
      """
    case .duplicateVersion(let version): "This build has two migrations \(version)."
    case .failed(let version, let name, let error):
      """
      Migration \(version) (\(name)) failed and was rolled back; those before it stay. PostgreSQL \
      said: \(error.message).
      """
    }
  }

  private static func text(_ error: ListenError) -> String {
    """
    Herald cannot listen on \(error.host):\(error.port): \(error.reason). Choose another address with \
    --listen or HERALD_LISTEN, or stop what uses this one.
    """
  }
}
