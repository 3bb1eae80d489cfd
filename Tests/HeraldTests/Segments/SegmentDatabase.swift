import Cryptography
import Foundation
import HeraldTesting
import Migrations
import Postgres
import Testing

extension Trait where Self == DatabaseTrait {
  /// A database with Herald's schema for each test.
  static var segmentDatabase: Self { DatabaseTrait(migrations: SegmentSchema.migrations) }
}

enum SegmentSchema {
  static let migrations = Migrations.all.map { migration in
    Migration(
      version: migration.version, name: migration.name,
      sql: String(decoding: migration.sql, as: UTF8.self),
      checksum: Hex.encode(SHA256.hash(migration.sql)))
  }
}
