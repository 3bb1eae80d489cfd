import Foundation
import HeraldTesting
import Postgres
import Testing

@Suite("What cannot be sent or read is an error", .emptyDatabase)
struct RefusalTests {
  @Test("a NUL in text is refused and not truncated")
  func nul() async throws {
    let text = "a\u{0}b"
    for sql: SQL in ["SELECT \(text)", "SELECT \([text])", "SELECT \(identifier: text)"] {
      let error = await failure { try await database.pool.read { try $0.query(sql) } }
      #expect(error?.kind == .encoding)
    }
    let script = await failure {
      try await database.pool.write { try $0.execute(script: "SELECT 1;\u{0} SELECT 2") }
    }
    #expect(script?.kind == .encoding)
  }

  @Test("65,535 parameters are sent, one more is refused")
  func parameterLimit() async throws {
    func sum(_ count: Int) -> SQL {
      let list = SQL.joined((0..<count).map { _ in "(\(Int16(1)))" }, separator: ",")
      return "SELECT count(*) FROM (VALUES \(list)) AS v"
    }
    let most = sum(65_535).unprepared()
    let count = try await database.pool.read { try $0.one(most)?.get(0, as: Int.self) }
    #expect(count == 65_535)
    let tooMany = sum(65_536)
    let error = await failure { try await database.pool.read { try $0.query(tooMany) } }
    #expect(error?.kind == .encoding)
  }

  @Test(
    "instants beyond the calendar are refused",
    arguments: [Double.nan, .infinity, -.infinity, 1e18, -1e18, 9.3e12, -2.2e11])
  func farInstants(_ seconds: Double) async throws {
    let date = Date(timeIntervalSinceReferenceDate: seconds)
    let error = await failure {
      try await database.pool.read { try $0.query("SELECT \(date)") }
    }
    #expect(error?.kind == .encoding)
  }

  @Test(
    "cells that the wanted type cannot hold are decoding errors",
    arguments: [
      "'infinity'::timestamptz", "'-infinity'::timestamptz", "now()::timestamp",
      "NULL::timestamptz",
    ])
  func dates(_ expression: String) async throws {
    try await expectUndecodable(expression, as: Date.self)
  }

  @Test(
    "days outside the years 1 to 9999 are decoding errors",
    arguments: ["'infinity'::date", "'0001-01-01 BC'::date", "'10000-01-01'::date"])
  func days(_ expression: String) async throws {
    try await expectUndecodable(expression, as: LocalDate.self)
  }

  @Test("numbers, texts and arrays of another type are decoding errors")
  func types() async throws {
    try await expectUndecodable("1::numeric", as: Int.self)
    try await expectUndecodable("1.5::float8", as: Int.self)
    try await expectUndecodable("1::int8", as: Int32.self)
    try await expectUndecodable("1", as: String.self)
    try await expectUndecodable("'x'::text", as: UUID.self)
    try await expectUndecodable("'x'::text", as: Bool.self)
    try await expectUndecodable("'{}'::text", as: JSONB.self)
    try await expectUndecodable("NULL::int8", as: Int.self)
    try await expectUndecodable("ARRAY[1, NULL]", as: [Int].self)
    try await expectUndecodable("ARRAY[[1, 2], [3, 4]]", as: [Int].self)
    try await expectUndecodable("ARRAY['a']", as: [Int].self)
    try await expectUndecodable("1", as: [Int].self)
  }

  private func expectUndecodable<T: SQLDecodable & Sendable>(
    _ expression: String, as type: T.Type, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let error = await failure {
      try await database.pool.read { session in
        try session.one(SQL(stringLiteral: "SELECT \(expression) AS cell"))?.get("cell", as: T.self)
      }
    }
    #expect(error?.kind == .decoding, "\(expression)", sourceLocation: sourceLocation)
    #expect(error?.message.contains("\"cell\"") == true, sourceLocation: sourceLocation)
  }

  @Test("a missing column is a decoding error, also by number")
  func columns() async throws {
    let row = try await database.pool.read { try $0.one("SELECT 1 AS a, 2 AS \"B\"") }
    #expect(throws: PostgresError.self) { try row?.get("b", as: Int.self) }
    #expect(throws: PostgresError.self) { try row?.get(2, as: Int.self) }
    #expect(throws: PostgresError.self) { try row?.get(-1, as: Int.self) }
    #expect(try row?.get("B", as: Int.self) == 2)
  }

  @Test("errors name the constraint and never the row's values")
  func noDetail() async throws {
    let error = await failure {
      try await database.pool.write { transaction in
        try transaction.execute("CREATE TABLE t (a text, CONSTRAINT t_a_once UNIQUE (a))")
        try transaction.execute("INSERT INTO t VALUES (\("secret-value"))")
        try transaction.execute("INSERT INTO t VALUES (\("secret-value"))")
      }
    }
    #expect(error?.isUniqueViolation(of: "t_a_once") == true)
    #expect(error?.isUniqueViolation(of: "other") == false)
    #expect(error?.table == "t")
    #expect(error.map { "\($0)\(String(reflecting: $0))".contains("secret-value") } == false)
  }

  @Test(
    "data exceptions do not quote the value",
    arguments: ["int8", "date", "uuid"])
  func noValues(_ type: String) async throws {
    let error = await failure {
      try await database.pool.read { session in
        try session.query("SELECT \("secret-value")::text::\(identifier: type)")
      }
    }
    #expect(error?.sqlState?.hasPrefix("22") == true)
    #expect(error?.message.contains("secret") == false)
    #expect(error?.message.isEmpty == false)
  }

  @Test("a COPY through query is an error and leaves the pool usable")
  func copyThroughQuery() async throws {
    let error = await failure {
      try await database.pool.read { try $0.query("COPY (SELECT 1) TO STDOUT") }
    }
    #expect(error != nil)
    #expect(try await database.pool.read { try $0.query("SELECT 1").count } == 1)
  }
}
