import Foundation
import HTTP
import Testing

@Suite("Retry-After") struct RetryAfterTests {
  /// Sun, 06 Nov 1994 08:49:37 GMT
  let now = Date(timeIntervalSince1970: 784_111_777)

  @Test(
    "Seconds, at most an hour",
    arguments: [
      ("0", 0), ("1", 1), ("120", 120), ("3600", 3600), ("3601", 3600), ("1000000000", 3600),
      ("99999999999999999999999999", 3600), ("007", 7),
    ])
  func seconds(text: String, expected: Int) {
    #expect(RetryAfter.parse(text, now: now) == .seconds(expected))
  }

  @Test(
    "Dates in the three forms of HTTP",
    arguments: [
      ("Sun, 06 Nov 1994 08:49:47 GMT", 10), ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
      ("Sun Nov  6 08:49:38 1994", 1), ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
      ("Sun, 06 Nov 1994 08:49:36 GMT", 0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
      ("Fri, 31 Dec 9999 23:59:59 GMT", 3600), ("Mon, 07 Nov 1994 00:00:00 GMT", 3600),
    ])
  func dates(text: String, expected: Int) {
    #expect(RetryAfter.parse(text, now: now) == .seconds(expected))
  }

  @Test(
    "Leap years and the turn of a century are counted",
    arguments: [
      ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000.0),
      ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
      ("Sun, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
      ("Wed, 31 Dec 2025 23:59:59 GMT", 1_767_225_599),
    ])
  func calendar(text: String, instant: Double) {
    let before = Date(timeIntervalSince1970: instant - 5)
    #expect(RetryAfter.parse(text, now: before) == .seconds(5))
  }

  @Test(
    "Anything else is nothing",
    arguments: [
      "", " ", "-1", "+5", "1.5", "1e3", "soon", "5 s", "0x10", "١٢", "NaN", "∞", "120,",
      "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 PST", "Sun, 32 Nov 1994 08:49:37 GMT",
      "Sun, 30 Feb 2024 08:49:37 GMT", "Sun, 29 Feb 2023 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49 GMT",
      "Sun, 06 Nov 99999 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z",
    ])
  func garbage(text: String) {
    #expect(RetryAfter.parse(text, now: now) == nil)
  }
}
