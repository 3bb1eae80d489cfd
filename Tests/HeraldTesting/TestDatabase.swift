import Foundation
import Logging
import Postgres
import Synchronization

/// A database of a test's own: a clone of a migrated template, dropped when the test is over.
public final class TestDatabase: Sendable {
  /// The schema that `withDatabase` and the trait `.database` lease; set it before the first lease.
  public static let migrations = Mutex<[Migration]>([])

  @TaskLocal static var leased: TestDatabase?

  /// The database leased to the current test. Only within `withDatabase` or under the trait.
  public static var current: TestDatabase {
    guard let leased else {
      fatalError("no test database here: the test lacks the trait .database")
    }
    return leased
  }

  public let name: String
  public let url: String
  public let pool: Pool

  init(name: String, url: String) {
    self.name = name
    self.url = url
    pool = openPool(url: url)
  }

  /// Another pool on this database; the caller closes it.
  public func makePool(size: Int = 4) -> Pool {
    openPool(url: url, size: size)
  }
}

private func openPool(url: String, size: Int = 8) -> Pool {
  Pool(
    PoolConfiguration(url: url, size: size, acquireTimeout: .seconds(30)),
    logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
}

/// Runs `body` with a database of its own as `TestDatabase.current`.
/// - Parameter migrations: its schema; `TestDatabase.migrations` when `nil`.
public func withDatabase<R>(
  migrations: [Migration]? = nil, isolation: isolated (any Actor)? = #isolation,
  _ body: () async throws -> R
) async throws -> R {
  let schema = migrations ?? TestDatabase.migrations.withLock { $0 }
  let database = try await DatabaseLeases.shared.lease(schema)
  let result: Result<R, any Error>
  do {
    result = .success(try await TestDatabase.$leased.withValue(database, operation: body))
  } catch {
    result = .failure(error)
  }
  try await DatabaseLeases.shared.giveBack(database)
  return try result.get()
}
