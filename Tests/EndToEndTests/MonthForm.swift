import Foundation
import HeraldTesting
import JSON

/// How much happens in a simulated stretch of time, and from which seed all of it follows.
struct MonthForm: Sendable {
  let seed: UInt64
  let isLong: Bool
  let start: Date
  let days: Double
  let users: Int
  let events: Int
  let plans: Int
  let workers: Int
  let kills: Int
  /// Pairs of a person and a plan that `explain` is asked about.
  let explained: Int

  /// A few days around a change of clocks or the end of February, small enough for every test run.
  static func short(seed: UInt64) -> MonthForm {
    let starts = ["2026-02-28T06:00:00Z", "2026-03-07T10:00:00Z", "2026-03-28T04:00:00Z"]
    let start = Date(rfc3339: starts[Int(seed % 3)]) ?? .distantPast
    return MonthForm(
      seed: seed, isLong: false, start: start, days: 1.25, users: 100, events: 1200,
      plans: MonthPlans.shapes, workers: 2, kills: 1, explained: 150)
  }

  /// A month with 29 February's birthdays and the changes of clocks of America and Europe.
  static func long(seed: UInt64) -> MonthForm {
    let start = Date(rfc3339: "2026-02-27T20:00:00Z") ?? .distantPast
    return MonthForm(
      seed: seed, isLong: true, start: start, days: 31, users: 20_000, events: 300_000,
      plans: 50, workers: 3, kills: 60, explained: 1000)
  }

  /// When plans are approved: before the first tick and at no full minute, so that nothing is due.
  var preparation: Date { start.addingTimeInterval(-617) }

  var end: Date { start.addingTimeInterval(days * 86_400) }

  /// The instants at which the clock stands still. Mostly less than an hour apart; now and then so
  /// far that firings are missed.
  var ticks: [Date] {
    var random = TortureRandom(seed: seed ^ 0x71c5)
    var ticks = [start]
    while let last = ticks.last, last < end {
      let minutes =
        Int.random(in: 0..<60, using: &random) == 0
        ? Int.random(in: 90...170, using: &random)
        : Int.random(in: isLong ? 5...52 : 15...58, using: &random)
      ticks.append(last.addingTimeInterval(Double(minutes) * 60))
    }
    return ticks
  }
}
