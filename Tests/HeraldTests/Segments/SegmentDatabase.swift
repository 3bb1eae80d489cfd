import Conditions
import Foundation
import HeraldTesting
import JSON
import Migrations
import Postgres
import Testing

@testable import Herald

/// Gives each test (each case of a parameterised one) a database with Herald's schema.
struct SegmentDatabaseTrait: SuiteTrait, TestTrait, TestScoping {
  static let migrations = Migrations.all.map { migration in
    Migration(
      version: migration.version, name: migration.name,
      sql: String(decoding: migration.sql, as: UTF8.self), checksum: "")
  }

  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    try await withDatabase(migrations: Self.migrations) { try await function() }
  }
}

extension Trait where Self == SegmentDatabaseTrait {
  static var segmentDatabase: Self { SegmentDatabaseTrait() }
}

/// What tests of segments begin with.
enum SegmentFixture {
  static let now = Date(timeIntervalSince1970: 1_772_339_400)
  static let caller = Caller(keyID: UUID(), principal: "li.lei", role: .operator)

  static func scoped(_ json: JSONValue) throws -> Caller {
    Caller(
      keyID: UUID(), principal: "han.meimei", role: .operator,
      userScope: try Condition.stored(json))
  }

  static var db: Database { Database(pool: TestDatabase.current.pool) }

  static func segment(_ key: String, _ condition: JSONValue?) -> Segment {
    Segment(
      key: key, name: key, condition: condition, refresh: condition == nil ? .list : .live)
  }

  /// People with an external_id and attributes; their ids in order.
  static func people(_ attributes: [JSONValue]) async throws -> [UUID] {
    try await db.write { tx in
      try attributes.enumerated().map { index, attributes in
        let id = UUID()
        let created = now.addingTimeInterval(Double(index) - 1000)
        try tx.execute(
          """
          INSERT INTO users (id, attributes, created_at, updated_at)
          VALUES (\(id), \(JSONB(attributes)), \(created), \(created))
          """)
        try tx.execute(
          """
          INSERT INTO identities (kind, value, user_id, created_at)
          VALUES ('external_id', \("u-\(index)"), \(id), \(created))
          """)
        return id
      }
    }
  }

  static func tag(_ key: String, type: String = "flag", rule: JSONValue? = nil) async throws {
    _ = try await db.write { tx in
      try tx.execute(
        """
        INSERT INTO tags (key, name, category, type, rule, created_at, updated_at)
        VALUES (\(key), \(key), 'custom', \(type), \(rule.map { JSONB($0) }), \(now), \(now))
        """)
    }
  }
}
