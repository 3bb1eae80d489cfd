import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Dispatch: a retry of what failed")
struct FailureRetryTests {
  private func retry(_ scene: CrashScene) async throws -> JSONValue {
    try await scene.call(.post, "/v1/plans/p/retry", ["status": "failed"])
  }

  @Test("whose person went on to the next step is left, with the reason in the answer")
  func wentOn() async throws {
    try await CrashScene.with(people: 3, safe: true) { scene in
      try await scene.put(steps: ["hello", "second"])
      try await scene.launch()
      let left: JSONValue = ["retried": 0, "not_retried": ["went_on": 3]]
      scene.script.reply { message in
        guard message.step == "second" else {
          return .rejected(reason: "gone", addressDead: false)
        }
        // Also while the next step is under way.
        let meanwhile = try await retry(scene)
        #expect(meanwhile["retried"] == 0)
        return .sent(providerID: nil)
      }
      try await scene.app.dispatcher.drain()
      #expect(try await retry(scene) == left)
      try await scene.app.dispatcher.drain()
      #expect(try await scene.ends() == ["failed gone": 3, "sent": 3])
      #expect(scene.script.calls.count == 6)
      #expect(try await scene.text("SELECT state FROM runs") == "completed")
      #expect(try await scene.isBalanced())
    }
  }

  @Test("of the last step is taken up under the same key, again and again, and opens no step twice")
  func lastStep() async throws {
    try await CrashScene.with(people: 3, safe: true) { scene in
      try await scene.put(steps: ["hello", "second"])
      try await scene.launch()
      scene.script.reply { message in
        message.step == "second"
          ? .rejected(reason: "gone", addressDead: false) : .sent(providerID: nil)
      }
      try await scene.app.dispatcher.drain()
      for _ in 1...2 {
        #expect(try await retry(scene) == ["retried": 3, "not_retried": [:]])
        try await scene.app.dispatcher.drain()
      }
      scene.script.reply { _ in .sent(providerID: nil) }
      #expect(try await retry(scene) == ["retried": 3, "not_retried": [:]])
      try await scene.app.dispatcher.drain()
      #expect(try await retry(scene) == ["retried": 0, "not_retried": [:]])
      #expect(try await scene.ends() == ["sent": 6])
      let second = scene.script.calls.map(\.message).filter { $0.step == "second" }
      #expect(second.count == 12)
      #expect(Set(second.map(\.idempotencyKey)).count == 3)
      #expect(try await scene.text("SELECT state FROM runs") == "completed")
      #expect(try await scene.isBalanced())
    }
  }
}
