import Foundation
import HeraldTesting
import Postgres
import Testing

@Suite("The migrator", .emptyDatabase)
struct MigratorTests {
  private static let first = Migration(
    version: 1, name: "users", sql: "CREATE TABLE users (id int8); INSERT INTO users VALUES (1);",
    checksum: "a")
  private static let second = Migration(
    version: 2, name: "names", sql: "ALTER TABLE users ADD name text", checksum: "b")

  @Test("pending migrations are applied in order, once, and reported")
  func applies() async throws {
    let pool = database.pool
    let migrator = Migrator(migrations: [Self.second, Self.first])
    #expect(try await migrator.status(on: pool) == .pending([Self.first, Self.second]))
    let reported = Journal<Int>()
    for _ in 0..<2 {
      try await migrator.apply(on: pool) { done in reported.append(done.version) }
    }
    #expect(reported.entries == [1, 2])
    #expect(try await migrator.status(on: pool) == .current)
    #expect(try await pool.read { try $0.query("SELECT id, name FROM users").count } == 1)
  }

  @Test("an altered migration is found and nothing more is applied")
  func altered() async throws {
    let pool = database.pool
    try await Migrator(migrations: [Self.first]).apply(on: pool)
    var edited = Self.first
    edited.checksum = "c"
    let migrator = Migrator(migrations: [edited, Self.second])
    #expect(try await migrator.status(on: pool) == .altered(edited))
    await #expect(throws: MigrationError.altered(edited)) { try await migrator.apply(on: pool) }
  }

  @Test("a newer schema is refused")
  func newer() async throws {
    let pool = database.pool
    try await Migrator(migrations: [Self.first, Self.second]).apply(on: pool)
    let migrator = Migrator(migrations: [Self.first])
    #expect(try await migrator.status(on: pool) == .newer(2))
    await #expect(throws: MigrationError.newer(2)) { try await migrator.apply(on: pool) }
  }

  @Test("a migration that fails leaves nothing, those before it stay")
  func fails() async throws {
    let pool = database.pool
    var broken = Self.second
    broken.sql = "CREATE TABLE half (id int8); SELECT 1/0;"
    let migrator = Migrator(migrations: [Self.first, broken])
    await #expect {
      try await migrator.apply(on: pool)
    } throws: { error in
      if case .failed(2, "names", let cause)? = error as? MigrationError {
        return cause.sqlState == "22012"
      }
      return false
    }
    #expect(try await migrator.status(on: pool) == .pending([broken]))
    let half = try await pool.read { session in
      try session.one("SELECT to_regclass('half') IS NULL")?.get(0, as: Bool.self)
    }
    #expect(half == true)
  }

  @Test("programs that start together apply each migration once")
  func concurrent() async throws {
    let url = database.url
    let applied = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<6 {
        group.addTask {
          let pool = Pool(PoolConfiguration(url: url, size: 1), logger: silent)
          try await Migrator(migrations: [Self.first, Self.second]).apply(on: pool) { _ in
            applied.increment()
          }
          await pool.close()
        }
      }
      try await group.waitForAll()
    }
    #expect(applied.value == 2)
  }

  @Test("two migrations of one version are refused")
  func duplicates() async throws {
    let migrator = Migrator(migrations: [Self.first, Self.first])
    await #expect(throws: MigrationError.duplicateVersion(1)) {
      try await migrator.apply(on: database.pool)
    }
  }

  @Test("a leased database has the schema of its template")
  func template() async throws {
    let migrator = Migrator(migrations: [Self.first, Self.second])
    for _ in 0..<2 {
      let (status, count) = try await withDatabase(migrations: [Self.first, Self.second]) {
        let pool = database.pool
        let count = try await pool.write { transaction in
          // The next lease must not see this row.
          try transaction.execute("INSERT INTO users VALUES (2)")
          return try transaction.query("SELECT * FROM users").count
        }
        return (try await migrator.status(on: pool), count)
      }
      #expect(status == .current)
      #expect(count == 2)
    }
  }
}
