import Testing

@testable import HTTP

@Suite("Timer wheel")
struct TimerWheelTests {
  @Test("an entry comes due at its tick and not before")
  func due() {
    var wheel = TimerWheel(now: 100)
    #expect(wheel.schedule(1, at: 103) == 103)
    #expect(wheel.advance(to: 102) == [])
    #expect(wheel.advance(to: 103) == [1])
    #expect(wheel.advance(to: 900) == [])
  }

  @Test("a tick in the past becomes the next one")
  func past() {
    var wheel = TimerWheel(now: 100)
    #expect(wheel.schedule(1, at: 7) == 101)
    #expect(wheel.advance(to: 101) == [1])
  }

  @Test("a far tick is asked for at the horizon")
  func horizon() {
    var wheel = TimerWheel(now: 100)
    let tick = wheel.schedule(1, at: .max)
    #expect(tick == 100 + 511)
    #expect(wheel.advance(to: tick - 1) == [])
    #expect(wheel.advance(to: tick) == [1])
  }

  @Test("a leap over several turns brings everyone once")
  func leap() {
    var wheel = TimerWheel(now: 0)
    for id in 1...10 { _ = wheel.schedule(id, at: UInt64(id * 40)) }
    #expect(wheel.advance(to: 1_000_000).sorted() == Array(1...10))
    #expect(wheel.advance(to: 2_000_000) == [])
  }

  @Test("a deadline's tick is never before the deadline")
  func ticks() {
    let length = TimerWheel.tickNanoseconds
    #expect(TimerWheel.tick(of: 0) == 1)
    #expect(TimerWheel.tick(of: length - 1) == 1)
    #expect(TimerWheel.tick(of: length) == 2)
  }
}
