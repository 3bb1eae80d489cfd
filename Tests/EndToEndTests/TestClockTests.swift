import Foundation
import HeraldTesting
import JSON
import Testing

@testable import HeraldCLI

@Suite("The clock of a test")
struct TestClockTests {
  private static let database = ["HERALD_DATABASE_URL": "host=/nowhere"]

  @Test("is refused without the flag, before anything is opened")
  func withoutFlag() async throws {
    let program = try HeraldProcess(
      ["serve"], environment: Self.database.merging(["HERALD_TEST_CLOCK": "/tmp/clock"]) { $1 })
    #expect(await program.end() != 0)
    #expect(program.output.contains("HERALD_TEST_CLOCK moves the clock"), "\(program.output)")
  }

  @Test("is needed by the flag")
  func withoutVariable() async throws {
    let program = try HeraldProcess(["serve", "--test-clock"], environment: Self.database)
    #expect(await program.end() != 0)
    #expect(program.output.contains("needs HERALD_TEST_CLOCK"), "\(program.output)")
  }

  @Test("goes as the file says, and stands still while the file says nothing")
  func reads() throws {
    let path = "/tmp/herald-clock-\(UUID().uuidString)"
    defer { unlink(path) }
    let url = URL(fileURLWithPath: path)
    #expect(throws: Installation.Refusal.self) { try TestClock(path: path) }
    try Data("2026-03-01T00:00:00Z\nfirst".utf8).write(to: url, options: .atomic)
    let clock = try TestClock(path: path)
    #expect(clock.now == Date(rfc3339: "2026-03-01T00:00:00Z"))
    try Data("soon".utf8).write(to: url, options: .atomic)
    #expect(clock.now == Date(rfc3339: "2026-03-01T00:00:00Z"))
    try Data("2026-03-01T00:05:00Z".utf8).write(to: url, options: .atomic)
    #expect(clock.now == Date(rfc3339: "2026-03-01T00:05:00Z"))
  }
}
