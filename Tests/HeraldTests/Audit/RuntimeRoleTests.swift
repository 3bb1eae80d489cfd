import Foundation
import Migrations
import Postgres
import Testing

@testable import Herald

@Suite("The runtime role") struct RuntimeRoleTests {
  /// A migrated database whose grants are made to `herald_app`, which exists in the whole server.
  private func withRole(_ body: (HeraldInProcess) async throws -> Void) async throws {
    try await HeraldInProcess.with { herald in
      try await herald.app.db.pool.write { tx in
        try tx.execute(
          script: """
            DO $$ BEGIN
              CREATE ROLE herald_app NOLOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$;
            """)
        try tx.execute(script: String(decoding: Migrations.grants, as: UTF8.self))
        try tx.execute(
          """
          INSERT INTO audit_entries (at, principal, action, subject_kind, subject)
          VALUES (now(), 'li.lei', 'tag.put', 'tag', 'x')
          """)
      }
      _ = try await herald.app.audits.seal()
      try await body(herald)
    }
  }

  /// The SQLSTATE that PostgreSQL answers the role with; nil when it may.
  private func state(_ herald: HeraldInProcess, _ script: String) async throws -> String? {
    do {
      try await herald.app.db.pool.write { tx in
        try tx.execute("SET LOCAL ROLE herald_app")
        try tx.execute(script: script)
      }
      return nil
    } catch let error as PostgresError {
      return error.sqlState ?? "none"
    }
  }

  @Test("reads and writes what Herald reads and writes, the audit by appending")
  func allowed() async throws {
    try await withRole { herald in
      for script in [
        "INSERT INTO tags (key, name, category, type, created_at, updated_at) "
          + "VALUES ('vip', 'VIP', 'order', 'flag', now(), now())",
        "UPDATE tags SET name = 'V'", "DELETE FROM user_tags", "SELECT count(*) FROM users",
        "INSERT INTO audit_entries (at, principal, action, subject_kind, subject) "
          + "VALUES (now(), 'x', 'a', 'b', 'c')",
        "INSERT INTO audit_seals (position, entry_id, hash) VALUES (99, 99, '')",
        "SELECT herald_make_partition('events', '2031-01-01')",
        "SELECT herald_drop_partition('events', '2031-01-01')",
        "LOCK TABLE stops IN EXCLUSIVE MODE", "SELECT herald_audit_digest(e) FROM audit_entries e",
      ] {
        let refusal = try await state(herald, script)
        #expect(refusal == nil, "\(script)")
      }
    }
  }

  @Test(
    "never changes what was audited, defines nothing, and stays inside the database",
    arguments: [
      "UPDATE audit_entries SET principal = 'x'", "DELETE FROM audit_entries",
      "TRUNCATE audit_entries", "UPDATE audit_seals SET hash = ''", "DELETE FROM audit_seals",
      "TRUNCATE audit_seals", "TRUNCATE users", "CREATE TABLE t (a int)", "CREATE SCHEMA s",
      "ALTER TABLE users ADD COLUMN x int", "DROP TABLE tags", "CREATE INDEX ON users (locale)",
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
      "DROP FUNCTION herald_audit_digest", "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
      "INSERT INTO schema_migrations SELECT * FROM schema_migrations",
      "DELETE FROM schema_migrations",
      // Granting what one may not grant is a warning only; what counts is what comes of it.
      "GRANT UPDATE ON audit_entries TO PUBLIC; UPDATE audit_entries SET principal = 'x'",
      "ALTER ROLE herald_app SUPERUSER", "CREATE ROLE other",
      "COPY users TO PROGRAM 'cat'", "COPY users TO '/tmp/herald-users'",
      "SELECT pg_read_file('/etc/hostname')", "SELECT herald_make_partition('users', '2031-01-01')",
      "SELECT herald_make_partition('audit_entries', '2031-01-01')",
      "SELECT herald_drop_partition('audit_entries', '2031-01-01')",
      "SET session_replication_role = replica",
    ])
  func refused(script: String) async throws {
    try await withRole { herald in
      let state = try await state(herald, script)
      #expect(state != nil)
      // A permission is missing, or the function itself refuses.
      let refusals: Set<String> = ["42501", "P0001", "22023"]
      #expect(refusals.contains(state ?? ""), "\(state ?? "allowed")")
    }
  }
}
