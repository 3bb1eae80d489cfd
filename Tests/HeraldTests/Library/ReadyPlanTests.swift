import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Ready plans") struct ReadyPlanTests {
  private static let day = CampaignScene.day

  @Test("abandoned payment: ten minutes without paying, a push, ten more, a text message")
  func abandonedPayment() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(2)
      try await scene.install("abandoned_payment")
      try await scene.event("order_submitted", by: 0, ["order_id": "o-0", "amount": 99])
      try await scene.event("order_submitted", by: 1, ["order_id": "o-1", "amount": 99])
      try await scene.drain(300)
      try await scene.event("order_paid", by: 1, ["order_id": "o-1"])
      try await scene.drain(301)
      #expect(
        scene.sent == [
          "u-0 push Order o-0 is not paid yet. Pay now and we pack it today."
        ])
      try await scene.drain(601)
      #expect(scene.channels(0) == "push sms" && scene.channels(1).isEmpty)
      #expect(
        try await scene.people(of: "abandoned_payment")
          == "targeted 2, finished 1, unless_happened 1")
    }
  }

  @Test("newcomer's first order: a coupon, a reminder for who did not order, a tag for who did")
  func firstOrder() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(2)
      try await scene.install("first_order")
      for n in 0...1 { try await scene.event("user_registered", by: n) }
      try await scene.drain(Self.day)
      try await scene.event("order_paid", by: 0)
      try await scene.drain(1, Self.day + 1)
      #expect(scene.channels(0) == "push" && scene.channels(1) == "push push")
      let body = scene.messages(to: 1).first?.content["body"]?.stringValue ?? ""
      #expect(body.hasPrefix("10% off your first order: FIRST-"))
      #expect(try await scene.tags(0) == ["first_order_placed"])
      #expect(try await scene.tags(1) == [])
      #expect(try await scene.people(of: "first_order") == "targeted 2, finished 2")
    }
  }

  @Test("second order within a cycle: two weeks' patience, then a coupon and a week")
  func secondOrder() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(3)
      try await scene.install("second_order")
      for n in 0...2 { try await scene.event("order_paid", by: n) }
      try await scene.drain(5 * Self.day)
      try await scene.event("order_paid", by: 0)
      try await scene.drain(1, 9 * Self.day + 1)
      #expect(scene.channels(0) == "push" && scene.channels(1) == "push push")
      try await scene.event("order_paid", by: 1)
      try await scene.drain(1, 7 * Self.day)
      #expect(try await scene.tags(0) == ["second_order_placed"])
      #expect(try await scene.tags(1) == ["second_order_placed"])
      #expect(try await scene.tags(2) == [])
      #expect(try await scene.people(of: "second_order") == "targeted 3, finished 3")
    }
  }

  @Test("win-back: on Tuesday at ten by their clocks, once in 90 days, who has not bought for 90")
  func winBack() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(6)
      for n in 0...3 { try await scene.event("order_paid", by: n, ago: 100 * Self.day) }
      try await scene.event("order_paid", by: 4, ago: 10 * Self.day)
      try await scene.install("win_back")
      try scene.at("2026-10-27T01:59:00Z")
      try await scene.drain()
      #expect(scene.sent.isEmpty)
      try await scene.drain(120)
      let reached = (0...5).filter { scene.channels($0) == "push" }
      let books = try await scene.accounting("win_back")["people"]
      #expect(reached.allSatisfy { $0 < 4 })
      #expect(reached.count + (books?["held_out"]?.intValue ?? 9) == 4)
      let first = try #require(reached.first)
      try await scene.drain(60)
      try await scene.event("order_paid", by: first)
      try await scene.drain(7 * Self.day)
      #expect(try await scene.tags(first) == ["won_back"])
      #expect(scene.herald.channel.messages.count == reached.count)
      #expect(try await scene.accounting("win_back")["balanced"] == true)
    }
  }

  @Test("birthday: at ten of the day, by text message where there is no app")
  func birthday() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(3) { n, user in
        user["attributes"] = ["birthday": ["1984-10-27", "1990-10-28", "1990-11-30"][n]]
        if n == 1 { user["devices"] = [] }
      }
      try await scene.install("birthday", "zh")
      try scene.at("2026-10-27T02:00:30Z")
      try await scene.drain(Self.day)
      #expect(scene.channels(0) == "push" && scene.channels(1) == "sms")
      #expect(scene.channels(2).isEmpty)
      let text = scene.messages(to: 1).first?.content["text"]?.stringValue ?? ""
      #expect(text.hasPrefix("生日快乐！送您八折券 BDAY-"))
      #expect(try await scene.people(of: "birthday") == "targeted 2, finished 2")
    }
  }

  @Test("one year after an air conditioner, bought before there was a plan")
  func oneYearLater() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(2)
      let ago = 364 * Self.day + 3 * 3600
      try await scene.event("order_paid", by: 0, ["category": "air_conditioner"], ago: ago)
      try await scene.event("order_paid", by: 1, ["category": "fridge"], ago: ago)
      try await scene.install("one_year_later")
      try scene.at("2026-10-27T02:00:30Z")
      try await scene.drain(Self.day)
      #expect(
        scene.sent == ["u-0 push Time for a cleaning, there. Book it in the app."])
    }
  }

  @Test("expiring coupon: each code that is not used in five days, once")
  func expiringCoupon() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(2)
      try await scene.install("expiring_coupon")
      for (person, code) in [(0, "A"), (1, "B"), (1, "C"), (1, "C")] {
        try await scene.event("coupon_received", by: person, ["code": .string(code)])
      }
      try await scene.drain(2 * Self.day)
      try await scene.event("coupon_used", by: 1, ["code": "B"])
      try await scene.drain(3 * Self.day + 1)
      #expect(
        scene.sent == [
          "u-0 push Your coupon A expires the day after tomorrow.",
          "u-1 push Your coupon C expires the day after tomorrow.",
        ])
      #expect(
        try await scene.people(of: "expiring_coupon")
          == "targeted 4, finished 3, reentry_limit 1")
    }
  }

  @Test("rain at noon: morning rain waits for eleven, afternoon rain is let pass, once a day")
  func rainAtNoon() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(2) { n, user in
        user["attributes"] = ["city": n == 0 ? "Hangzhou" : "Shanghai"]
      }
      try await scene.install("rain_at_noon")
      func rain(_ city: String) async throws {
        let answer = try await scene.herald.call(
          .post, "/v1/scenes",
          [
            "name": "weather_changed",
            "properties": ["city": .string(city), "weather": "rain"],
          ], key: scene.admin)
        #expect(answer.status == 202)
        try await scene.drain()
      }
      try scene.at("2026-10-27T01:00:00Z")
      try await rain("Hangzhou")
      #expect(scene.sent.isEmpty)
      try scene.at("2026-10-27T03:00:01Z")
      try await scene.drain()
      #expect(
        scene.sent == ["u-0 push Stay dry, there: lunch delivered free until 14:00."])
      try await scene.drain(3600)
      try await rain("Hangzhou")
      try scene.at("2026-10-27T07:00:00Z")
      try await rain("Shanghai")
      try await scene.drain(Self.day)
      #expect(scene.herald.channel.messages.count == 1)
      #expect(try await scene.decisions(1, "rain_at_noon").contains("offer skipped expired"))
      #expect(
        try await scene.people(of: "rain_at_noon") == "targeted 3, finished 2, not_in_audience 1")
    }
  }

  @Test("layered follow-up: who buys moves on, the others get the next round, the stubborn none")
  func layered() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(4)
      for n in 0...2 { try await scene.event("cart_added", by: n, ago: Self.day) }
      try await scene.install("layered_follow_up")
      try await scene.drain(Self.day)
      try await scene.event("order_paid", by: 0)
      try await scene.drain(1, 2 * Self.day + 1, Self.day)
      try await scene.event("order_paid", by: 1)
      try await scene.drain(1, 2 * Self.day + 1, 3 * Self.day + 1)
      #expect(scene.channels(0) == "push")
      #expect(scene.channels(1) == "push push")
      #expect(scene.channels(2) == "push push sms")
      #expect(scene.channels(3).isEmpty)
      #expect(try await scene.tags(0) == ["follow_up_bought"])
      #expect(try await scene.tags(1) == ["follow_up_bought"])
      #expect(try await scene.tags(2) == ["follow_up_stubborn"])
      #expect(
        try await scene.people(of: "layered_follow_up") == "targeted 3, finished 2, stubborn 1")
    }
  }

  @Test("series: days 0, 1, 3, 7 and 30, a birthday in place of a day, an order ends it")
  func series() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(3) { n, user in
        if n == 1 { user["attributes"] = ["birthday": "1990-10-29"] }
      }
      try await scene.install("series_30_days")
      for n in 0...2 { try await scene.event("user_registered", by: n) }
      var days: [Int: [Int]] = [:]
      var known = 0
      for day in 0...31 {
        try await scene.drain()
        for n in 0...2 {
          let fresh = scene.herald.channel.messages.dropFirst(known)
          if fresh.contains(where: { $0.externalID == "u-\(n)" }) { days[n, default: []] += [day] }
        }
        known = scene.herald.channel.messages.count
        if day == 2 { try await scene.event("order_paid", by: 2) }
        scene.herald.clock.advance(by: Self.day)
      }
      #expect(days == [0: [0, 1, 3, 7, 30], 1: [0, 1, 3, 7, 30], 2: [0, 1]])
      #expect(scene.messages(to: 1)[2].content["title"] == "Happy birthday, there")
      #expect(
        try await scene.people(of: "series_30_days") == "targeted 3, finished 2, goal_reached 1")
    }
  }

  @Test("special dates: at ten by everybody's clocks, to who bought within a year")
  func specialDates() async throws {
    try await CampaignScene.with { scene in
      try await scene.shoppers(2)
      try await scene.event("order_paid", by: 0)
      try await scene.install("special_dates")
      try scene.at("2027-01-01T01:59:00Z")
      try await scene.drain()
      #expect(scene.sent.isEmpty)
      try await scene.drain(120)
      #expect(scene.sent == ["u-0 push Today with free delivery on everything."])
    }
  }
}
