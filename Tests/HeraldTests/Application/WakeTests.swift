import Testing

@testable import Herald

@Suite("Waking workers") struct WakeTests {
  @Test("a call wakes everybody who waits")
  func everybody() async {
    let wake = Wake()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<5 { group.addTask { await wake.wait(atMost: .seconds(600)) } }
      group.addTask {
        // Until all are woken: whoever came late waits for another call.
        while !Task.isCancelled {
          wake.call()
          await Task.yield()
        }
      }
      for _ in 0..<5 { await group.next() }
      group.cancelAll()
    }
  }

  @Test("a call while nobody waited ends the next wait at once")
  func early() async {
    let wake = Wake()
    wake.call()
    await wake.wait(atMost: .seconds(600))
  }

  @Test("each follower keeps a call that came while it was busy")
  func followers() async {
    let wake = Wake()
    let (first, second) = (wake.follower(), wake.follower())
    let waiting = Task { await first.wait(atMost: .seconds(600)) }
    while !waiting.isCancelled {
      wake.call()
      await second.wait(atMost: .seconds(600))
      waiting.cancel()
    }
    await waiting.value
    wake.call()
    await first.wait(atMost: .seconds(600))
    await second.wait(atMost: .seconds(600))
  }

  @Test("a wait ends by itself, and with its task")
  func ends() async {
    let wake = Wake()
    await wake.wait(atMost: .milliseconds(1))
    let waiting = Task { await wake.wait(atMost: .seconds(600)) }
    waiting.cancel()
    await waiting.value
  }
}
