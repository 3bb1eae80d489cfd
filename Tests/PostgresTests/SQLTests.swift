import Foundation
import Postgres
import Testing

@Suite("SQL literals")
struct SQLTests {
  @Test("interpolation binds and numbers parameters")
  func binds() {
    let sql: SQL = "SELECT \(1), \("two"), \(Optional<Int>.none)"
    #expect(sql.text == "SELECT $1, $2, $3")
    #expect(sql.parameters.map(\.type) == [.int8, .text, .int8])
  }

  @Test("a spliced fragment's parameters are renumbered")
  func splices() {
    let condition: SQL = "a = \(1) AND b = \(2)"
    let sql: SQL = "SELECT \(0) WHERE \(condition) AND \(condition) LIMIT \(3)"
    #expect(sql.text == "SELECT $1 WHERE a = $2 AND b = $3 AND a = $4 AND b = $5 LIMIT $6")
    #expect(sql.parameters.count == 6)
  }

  @Test("a dollar sign in the text is left alone when fragments are joined")
  func dollars() {
    let parts: [SQL] = ["a = '$1' || \(1)", "b = $tag$ $2 $tag$ || \(2)"]
    let sql = SQL.joined(parts, separator: " OR ")
    #expect(sql.text == "a = '$1' || $1 OR b = $tag$ $2 $tag$ || $2")
  }

  @Test("concatenation keeps the order and joining nothing gives nothing")
  func concatenates() {
    let sql: SQL = "x = \(true)" + " AND " + "y = \(2.5)"
    #expect(sql.text == "x = $1 AND y = $2")
    #expect(SQL.joined([], separator: ", ").isEmpty)
    #expect(SQL.empty.text == "")
  }

  @Test("identifiers are quoted, quotes in them doubled")
  func identifiers() {
    let sql: SQL = "SELECT * FROM \(identifier: "a\"; DROP TABLE x --")"
    #expect(sql.text == "SELECT * FROM \"a\"\"; DROP TABLE x --\"")
  }
}

@Suite("LocalDate")
struct LocalDateTests {
  @Test("every day of the calendar survives the day number and follows the one before")
  func calendar() throws {
    var previous: LocalDate?
    for number in stride(from: -730_119, through: 2_921_939, by: 1) {
      let date = try #require(LocalDate(daysSinceEpoch: number))
      guard date.daysSinceEpoch == number, previous.map({ $0 < date }) ?? true else {
        Issue.record("day \(number) became \(date), then \(date.daysSinceEpoch)")
        return
      }
      previous = date
    }
    #expect(previous?.description == "9999-12-31")
  }

  @Test(
    "days the calendar lacks are refused",
    arguments: [
      (2023, 2, 29), (1900, 2, 29), (2024, 4, 31), (2024, 13, 1), (0, 1, 1), (10_000, 1, 1),
    ])
  func invalid(_ year: Int, _ month: Int, _ day: Int) {
    #expect(LocalDate(year: year, month: month, day: day) == nil)
  }

  @Test("the epoch and a leap day")
  func knownDays() {
    #expect(LocalDate(year: 2000, month: 1, day: 1)?.daysSinceEpoch == 0)
    #expect(LocalDate(daysSinceEpoch: 59)?.description == "2000-02-29")
    #expect(LocalDate(daysSinceEpoch: -730_120) == nil)
    #expect(LocalDate(daysSinceEpoch: .max) == nil)
  }
}
