import Foundation
import Logging
import Postgres

/// The PostgreSQL that tests run against.
public enum TestServer {
  public static let variable = "HERALD_TEST_DATABASE_URL"

  /// The server's connection string (a superuser's), from the environment.
  public static func connectionString() throws -> ConnectionString {
    guard let url = ProcessInfo.processInfo.environment[variable], !url.isEmpty else {
      throw TestServerMissing()
    }
    return try ConnectionString(url)
  }

  /// For creating and dropping databases; shared by all tests of the process.
  static let administration = Result {
    Pool(
      PoolConfiguration(
        url: try connectionString().text, size: 4, statementTimeout: .seconds(120),
        acquireTimeout: .seconds(120), applicationName: "herald-tests"),
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
  }
}

public struct TestServerMissing: Error, CustomStringConvertible {
  public var description: String {
    """
    No PostgreSQL to test against: \(TestServer.variable) is not set. Run the tests with `make test`, \
    which starts a server for them.
    """
  }
}
