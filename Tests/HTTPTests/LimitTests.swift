import Foundation
import Testing

@testable import HTTP

private let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite("Limits", .serialized, .timeLimit(.minutes(1)))
struct LimitTests {
  @Test("a connection over the limit gets a 503, and there is room again afterwards")
  func connections() async throws {
    try await withServer(SampleRoutes.all) {
      $0.limits.connections = 2
    } _: { port, server in
      let first = try RawClient(port: port)
      #expect(try first.ask(get).status == 200)
      do {
        let second = try RawClient(port: port)
        #expect(try second.ask(get).status == 200)
        let third = try RawClient(port: port)
        #expect(try third.readAnswer().status == 503)
        #expect(server.statistics.connectionsRefused == 1)
      }
      while server.statistics.connectionsOpen > 1 { usleep(1_000) }
      #expect(try RawClient(port: port).ask(get).status == 200)
    }
  }

  @Test("an address has a limit of its own, trusted ones have none")
  func perAddress() async throws {
    try await withServer(SampleRoutes.all) {
      $0.limits.connectionsPerAddress = 1
      $0.uncountedPeers = []
    } _: { port, _ in
      let first = try RawClient(port: port)
      #expect(try first.ask(get).status == 200)
      #expect(try RawClient(port: port).readAnswer().status == 503)
    }
    try await withServer(SampleRoutes.all) {
      $0.limits.connectionsPerAddress = 1
    } _: { port, _ in
      let clients = try (0..<3).map { _ in try RawClient(port: port) }
      for client in clients { #expect(try client.ask(get).status == 200) }
    }
  }

  @Test("bodies that would not fit the budget together get a 503, and it is given back")
  func budget() async throws {
    let gate = Gate()
    let entered = Counter()
    let hold = Route(
      .post, "/hold", body: .buffered(limit: 1000),
      handler: .async { _ in
        entered.add(1)
        await gate.wait()
        return .text(200, "")
      })
    try await withServer(SampleRoutes.all + [hold]) {
      $0.limits.bufferedBytes = 1000
    } _: { port, server in
      func head(_ path: String) -> String {
        "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 600\r\n\r\n"
      }
      let body = [UInt8](repeating: 65, count: 600)
      let first = try RawClient(port: port)
      first.send(head("/hold"))
      first.send(body)
      while entered.value == 0 { usleep(1_000) }
      let second = try RawClient(port: port)
      let refused = try second.ask(head("/echo"))
      #expect(refused.status == 503)
      #expect(refused.headers["retry-after"] == "1")
      gate.open()
      #expect(try first.readAnswer().status == 200)
      let third = try RawClient(port: port)
      third.send(head("/echo"))
      third.send(body)
      #expect(try third.readAnswer().status == 200)
    }
  }

  @Test("descriptors are all given back, however connections end")
  func descriptors() async throws {
    let before = Self.openSockets()
    try await withServer(SampleRoutes.all) { port, server in
      for round in 0..<300 {
        let client = try RawClient(port: port)
        switch round % 6 {
        case 0: _ = try client.ask(get)
        case 1: client.send("GET / HT")
        case 2: client.send("nonsense\r\n\r\n")
        case 3: client.send("POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na")
        case 4: client.reset()
        default: client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        }
      }
      while server.statistics.connectionsOpen > 0 { usleep(1_000) }
      #expect(server.statistics.connectionsAccepted <= 300)
      #expect(try RawClient(port: port).ask(get).status == 200)
    }
    // Other suites run beside this one; a leak would show as hundreds.
    #expect(Self.openSockets() < before + 150)
  }

  private static func openSockets() -> Int {
    let folder = "/proc/self/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.count {
      let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
      return target?.hasPrefix("socket:") == true
    }
  }
}

extension RawClient {
  /// Makes closing a reset.
  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }
}
