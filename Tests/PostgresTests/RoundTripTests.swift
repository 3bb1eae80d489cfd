import Foundation
import HeraldTesting
import Postgres
import Testing

@Suite("Values to PostgreSQL and back", .emptyDatabase)
struct RoundTripTests {
  private func roundTrip<T: SQLBindable & SQLDecodable & Sendable & Equatable>(
    _ values: [T], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    for value in values {
      let (back, array) = try await database.pool.read { session in
        let row = try session.one("SELECT \(value) AS value, \([value, nil, value]) AS list")
        return (try row?.get("value", as: T.self), try row?.get("list", as: [T?].self))
      }
      #expect(back == value, sourceLocation: sourceLocation)
      #expect(array == [value, nil, value], sourceLocation: sourceLocation)
    }
  }

  @Test("numbers and booleans")
  func numbers() async throws {
    try await roundTrip([true, false])
    try await roundTrip([0, 1, -1, Int.max, Int.min])
    try await roundTrip([Int64.max, Int64.min])
    try await roundTrip([Int32.max, Int32.min])
    try await roundTrip([Int16.max, Int16.min])
    try await roundTrip([
      0.1, -0.0, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude,
    ])
  }

  @Test("text, bytes, identifiers, documents")
  func texts() async throws {
    try await roundTrip([
      "", "a'b\"c\\d", "{NULL,\"x\"}", "é", "e\u{301}", "𝄞", "null", "NULL", ",",
    ])
    try await roundTrip([Bytea([]), Bytea([0, 255, 10])])
    try await roundTrip([UUID()])
    try await roundTrip([JSONB(text: "{\"a\": [1, \"x\", null]}")])
  }

  @Test("instants to the microsecond, and days")
  func times() async throws {
    try await roundTrip([
      Date(timeIntervalSince1970: 0), Date(timeIntervalSince1970: 1_700_000_000.123456),
      .distantPast, .distantFuture,
    ])
    let days = [(1, 1, 1), (2024, 2, 29), (9999, 12, 31)].compactMap {
      LocalDate(year: $0.0, month: $0.1, day: $0.2)
    }
    try await roundTrip(days)
  }

  @Test("what PostgreSQL understands is what was meant")
  func meaning() async throws {
    let instant = Date(timeIntervalSince1970: 1_700_000_000.123456)
    let texts = try await database.pool.read { session in
      try session.one(
        """
        SELECT \(instant)::text AS instant, \(LocalDate(year: 1, month: 2, day: 3))::text AS day,
          \(Int.min)::text AS number, \([Optional("a\"b"), nil, "c,d\\"])::text AS list,
          \(JSONB(text: "{\"k\":1}"))->>'k' AS member, \(Bytea([1, 171]))::text AS bytes
        """)
    }
    #expect(try texts?.get("instant") == "2023-11-14 22:13:20.123456+00")
    #expect(try texts?.get("day") == "0001-02-03")
    #expect(try texts?.get("number") == "-9223372036854775808")
    #expect(try texts?.get("list") == #"{"a\"b",NULL,"c,d\\"}"#)
    #expect(try texts?.get("member") == "1")
    #expect(try texts?.get("bytes") == "\\x01ab")
  }

  @Test("canonically equal texts stay different bytes")
  func bytesNotCharacters() async throws {
    let lengths = try await database.pool.read { session in
      // Both literals are one text to Swift; the cache of prepared statements must tell them apart.
      try ["é", "e\u{301}"].map { literal in
        try session.one(SQL(stringLiteral: "SELECT octet_length('\(literal)')"))?.get(
          0, as: Int.self)
      }
    }
    #expect(lengths == [2, 3])
  }

  @Test("nil, empty arrays, and raw-representable types bind with their type")
  func empties() async throws {
    let row = try await database.pool.read { session in
      try session.one(
        """
        SELECT \(String?.none) AS none, \([Int]()) AS numbers, \([Shade]()) AS shades,
          \(Shade.dark) AS shade, \([Key(1), Key(2)]) = ARRAY[1, 2]::int8[] AS keys,
          \([Key]()) = ARRAY[]::int8[] AS nokeys
        """)
    }
    #expect(try row?.get("none", as: String?.self) == .some(nil))
    #expect(try row?.get("numbers", as: [Int].self) == [])
    #expect(try row?.get("shades", as: [Shade].self) == [])
    #expect(try row?.get("shade", as: Shade.self) == .dark)
    #expect(try row?.get("keys", as: Bool.self) == true)
    #expect(try row?.get("nokeys", as: Bool.self) == true)
  }

  @Test("unnest of arrays inserts rows, NULLs among them")
  func unnest() async throws {
    let count = try await database.pool.write { transaction in
      try transaction.execute("CREATE TABLE t (a int8, b text)")
      let numbers = Array(1...1000)
      let texts = numbers.map { $0 % 3 == 0 ? nil : "v\($0)" }
      try transaction.execute("INSERT INTO t SELECT * FROM unnest(\(numbers), \(texts))")
      return try transaction.one("SELECT count(b) FROM t WHERE b = 'v' || a")?.get(0, as: Int.self)
    }
    #expect(count == 667)
  }
}

private enum Shade: String, SQLBindable, SQLDecodable { case light, dark }

/// Conforms with the parameter alone, leaving the type to PostgreSQL.
private struct Key: SQLBindable {
  var number: Int
  init(_ number: Int) { self.number = number }
  var sqlParameter: SQLParameter { number.sqlParameter }
}
