import Foundation
import Herald
import Testing

@testable import HeraldChannels

@Suite("Against a receiver that misbehaves, the http adapter")
struct MisbehaviourTests {
  /// After the request has been read, each of these leaves open what became of it.
  enum Behaviour: String, CaseIterable, Sendable {
    case silence, closeAfterBody, garbage, halfHead, halfBody, endlessHead

    @Sendable func serve(_ connection: RawConnection) {
      guard connection.receive() != nil else { return }
      switch self {
      case .silence: connection.waitForClose()
      case .closeAfterBody: return
      case .garbage: connection.send("\u{1}\u{2} no HTTP at all\r\n\r\n")
      case .halfHead: connection.send("HTTP/1.1 200 OK\r\nContent-Len")
      case .halfBody: connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\"")
      case .endlessHead:
        guard connection.send("HTTP/1.1 200 OK\r\n") else { return }
        let line = "X-Filler: " + String(repeating: "y", count: 1000) + "\r\n"
        for _ in 0..<20_000 { guard connection.send(line) else { return } }
      }
    }
  }

  @Test("says unknown when it was not told", arguments: Behaviour.allCases)
  func unknown(behaviour: Behaviour) async throws {
    let server = try RawServer(behaviour.serve)
    let channel = Fixture.channel(server.url, timeout: .seconds(1))
    let outcome = await channel.send(Fixture.message())
    guard case .unknown = outcome else {
      Issue.record("\(behaviour) gave \(outcome)")
      return
    }
    #expect(server.requests.count == 1)
  }

  @Test("an endless answer to a message that was taken does not hold it up")
  func endlessBody() async throws {
    let server = try RawServer { connection in
      guard connection.receive() != nil else { return }
      connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      let chunk = "1000\r\n" + String(repeating: "z", count: 0x1000) + "\r\n"
      while connection.send(chunk) {}
    }
    let outcome = await Fixture.channel(server.url).send(Fixture.message())
    #expect(outcome == .sent(providerID: nil))
  }

  @Test("a receiver that hangs does not hold up another")
  func bulkhead() async throws {
    let hanging = try RawServer { $0.waitForClose() }
    let healthy = try RawServer.answering(200)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<40 {
        group.addTask {
          let channel = HTTPChannel(
            client: Fixture.client, url: hanging.url, secrets: [Fixture.secret],
            resendsSafely: false, timeout: .seconds(2), group: "hanging", now: { Date() })
          guard case .unknown = await channel.send(Fixture.message(number)) else {
            Issue.record("a hung attempt must be unknown")
            return
          }
        }
      }
      for number in 0..<40 {
        group.addTask {
          let channel = Fixture.channel(healthy.url)
          #expect(await channel.send(Fixture.message(number)) == .sent(providerID: nil))
        }
      }
    }
    #expect(healthy.requests.count == 40)
  }
}
