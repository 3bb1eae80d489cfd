import Logging
import Postgres

/// The roles and the database inside the private cluster. What the roles may do with tables is the
/// migrations' business, so that it is the same in a PostgreSQL of one's own.
enum ClusterRoles {
  static let superuser = "postgres"
  /// Owns the database and its tables.
  static let owner = "herald_owner"
  /// What `serve` connects as.
  static let application = "herald_app"
  static let database = "herald"

  static func url(role: String, database: String = database, socketDirectory: String) -> String {
    // Everything but unreserved characters, by RFC 3986, section 2.1.
    let host = socketDirectory.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."),
        UInt8(ascii: "-"), UInt8(ascii: "_"):
        String(UnicodeScalar(byte))
      default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return "postgresql://\(role)@/\(database)?host=\(host.joined())&port=5432"
  }

  /// Creates what is missing. Harmless when repeated, so that a first start which was interrupted
  /// is completed by the next.
  static func establish(socketDirectory: String, logger: Logger) async throws(ClusterError) {
    let url = url(role: superuser, database: "postgres", socketDirectory: socketDirectory)
    let pool = Pool(
      PoolConfiguration(url: url, size: 1, statementTimeout: .seconds(120)), logger: logger)
    do {
      try await pool.read { session in
        for role in [owner, application]
        where try session.one("SELECT 1 AS found FROM pg_roles WHERE rolname = \(role)") == nil {
          try session.execute("CREATE ROLE \(identifier: role) LOGIN")
        }
        // Not on the existence of the database: a start that ends between these statements must not
        // leave it open to PUBLIC.
        if try session.one("SELECT 1 AS found FROM pg_database WHERE datname = \(database)") == nil
        {
          try session.execute("CREATE DATABASE \(identifier: database) OWNER \(identifier: owner)")
        }
        try session.execute("REVOKE ALL ON DATABASE \(identifier: database) FROM PUBLIC")
        try session.execute(
          "GRANT CONNECT ON DATABASE \(identifier: database) TO \(identifier: application)")
      }
    } catch {
      await pool.close()
      throw .rolesFailed(reason: "\(error)")
    }
    await pool.close()
  }
}
