import Testing

@testable import Herald

@Suite("The slow lane of imports") struct SlowLaneTests {
  @Test("an import that is alone does not rest, also while its table grows")
  func alone() {
    var lane = SlowLane()
    var seconds = 0.05
    for _ in 0..<500 {
      #expect(lane.pause(after: seconds, records: 1000, live: 0, elapsed: seconds) == 0)
      seconds *= 1.004
    }
  }

  @Test("beside live traffic it works a third of the time, beside a trickle all of it")
  func live() {
    var lane = SlowLane()
    #expect(lane.pause(after: 0.1, records: 1000, live: 500, elapsed: 0.1) == 0.2)
    #expect(lane.pause(after: 0.1, records: 1000, live: 1, elapsed: 0.3) == 0)
    #expect(lane.pause(after: 30, records: 1000, live: 500_000, elapsed: 30) == 1)
  }

  @Test("a batch that takes far longer than the quickest gives way to others")
  func heldUp() {
    var lane = SlowLane()
    #expect(lane.pause(after: 0.05, records: 1000, live: 0, elapsed: 0.05) == 0)
    #expect(lane.pause(after: 0.2, records: 1000, live: 0, elapsed: 0.2) == 0.2)
    // The last batch of a file is small, and dear by the record for that.
    #expect(lane.pause(after: 0.2, records: 10, live: 0, elapsed: 0.2) == 0)
  }
}
