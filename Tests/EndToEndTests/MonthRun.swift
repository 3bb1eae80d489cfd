import Foundation
import HeraldTesting
import JSON
import Synchronization

/// Lets a month pass: moves the clock from tick to tick, tells Herald what happens, and waits each
/// time until nothing is left to do at that instant. So what was decided can be computed anew.
struct MonthRun {
  let scene: MonthScene
  let plans: [MonthPlans.Named]
  let events: MonthEvents
  let ticks: [Date]
  /// Calls and scenes, as the oracle is to know them.
  private(set) var told: [JSONValue] = []
  private var random: TortureRandom

  init(_ scene: MonthScene) {
    self.scene = scene
    plans = MonthPlans(form: scene.form).all
    events = MonthEvents(scene.form)
    ticks = scene.form.ticks
    random = TortureRandom(seed: scene.form.seed ^ 0x7e11)
  }

  mutating func pass() async throws {
    try await scene.prepare(plans)
    try await post(events.arrivals[-1] ?? [])
    for plan in plans { try await scene.approve(plan) }
    try await scene.settled(at: scene.form.preparation)
    for (number, tick) in ticks.enumerated() {
      try scene.move(to: tick)
      try await scene.settled(at: tick)
      let events = events.arrivals[number] ?? []
      if !events.isEmpty {
        try await post(events)
        try scene.move(to: tick)
        try await scene.settled(at: tick)
      }
      if try await tell(at: tick) {
        try scene.move(to: tick)
        try await scene.settled(at: tick)
      }
      if scene.form.isLong, number % 100 == 0 {
        print("  \(tick.rfc3339), tick \(number) of \(ticks.count)")
      }
    }
  }

  /// In one request, so that all of it is there at once.
  private func post(_ events: [JSONValue]) async throws {
    for start in stride(from: 0, to: events.count, by: 1000) {
      let part = Array(events[start..<min(start + 1000, events.count)])
      let answer = try await scene.torture.api.call(
        "POST", "/v1/events", ["events": .array(part)])
      guard answer["rejected"]?.arrayValue?.isEmpty ?? false else {
        throw Program.Failure(description: "events were refused: \(answer)")
      }
    }
  }

  /// Calls of plans that are called, and weather. True when there was any.
  private mutating func tell(at tick: Date) async throws -> Bool {
    var isTold = false
    for plan in plans where plan.key.hasPrefix("called") {
      guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
      var called: Set<Int> = []
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        called.insert(Int.random(in: 0..<min(scene.form.users, 60), using: &random))
      }
      for user in called.sorted() {
        let ref = ["a", "b"].randomElement(using: &random) ?? "a"
        let answer = try await scene.torture.api.call(
          "POST", "/v1/plans/\(plan.key)/trigger",
          [
            "user": .string("external_id:\(MonthPeople.key(user))"),
            "properties": ["ref": .string(ref)],
          ])
        told.append(
          [
            "plan": .string(plan.key), "at": .string(tick.rfc3339),
            "user": answer["user"] ?? .null, "entry": answer["entry"] ?? .null,
            "properties": ["ref": .string(ref)],
          ])
      }
      isTold = true
    }
    if Int.random(in: 0..<25, using: &random) == 0 {
      let city = MonthPeople.cities.randomElement(using: &random) ?? ""
      try await scene.torture.api.call(
        "POST", "/v1/scenes",
        [
          "name": "weather_changed",
          "properties": [
            "city": .string(city), "rain": .bool(Int.random(in: 0..<3, using: &random) > 0),
          ],
        ])
      isTold = true
    }
    return isTold
  }
}
