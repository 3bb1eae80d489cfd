import Postgres
import Testing

/// Gives each test (each case of a parameterised one) a database of its own, `TestDatabase.current`.
public struct DatabaseTrait: SuiteTrait, TestTrait, TestScoping {
  let migrations: [Migration]?

  public var isRecursive: Bool { true }

  public func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    try await withDatabase(migrations: migrations) { try await function() }
  }
}

extension Trait where Self == DatabaseTrait {
  /// With the schema of `TestDatabase.migrations`.
  public static var database: Self { DatabaseTrait(migrations: nil) }

  /// Without any table.
  public static var emptyDatabase: Self { DatabaseTrait(migrations: []) }
}
