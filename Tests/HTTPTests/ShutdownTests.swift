import Dispatch
import Foundation
import Logging
import Testing

@testable import HTTP

private let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite("Shutdown", .timeLimit(.minutes(1)))
struct ShutdownTests {
  private func start(_ routes: [Route]) throws -> (Server, Int) {
    var configuration = ServerConfiguration()
    configuration.port = 0
    // These clients do not end their side when told to, as others do.
    configuration.timeouts.linger = .milliseconds(100)
    let server = try Server(
      routes: routes, configuration: configuration, logger: .init(label: "test"))
    return (server, try server.start())
  }

  /// A route that says it was entered and answers when the gate opens.
  private func held(_ entered: Gate, _ gate: Gate) -> Route {
    Route(
      .get, "/held",
      handler: .async { _ in
        entered.open()
        await gate.wait()
        return .text(200, Task.isCancelled ? "cancelled" : "finished")
      })
  }

  @Test("a request in work is finished, idle connections and new ones end")
  func graceful() async throws {
    let entered = Gate()
    let gate = Gate()
    let (server, port) = try start(SampleRoutes.all + [held(entered, gate)])
    let busy = try RawClient(port: port)
    let idle = try RawClient(port: port)
    #expect(await blocking { try? idle.ask(get).status } == 200)
    busy.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
    await entered.wait()
    async let down: Void = server.shutdown(grace: .seconds(30))
    #expect(await blocking { idle.isClosed() && !idle.timedOut })
    #expect(throws: RawClient.ConnectFailed.self) { try RawClient(port: port) }
    gate.open()
    let answer = try await blocking { try busy.readAnswer() }
    #expect(answer.body == "finished")
    #expect(answer.headers["connection"] == "close")
    #expect(await blocking { busy.isClosed() })
    busy.finishSending()
    await down
    #expect(server.statistics.connectionsOpen == 0)
  }

  @Test("when the grace has passed the rest is cut off and its handlers are cancelled")
  func forced() async throws {
    let entered = Gate()
    let cancelled = Gate()
    let route = Route(
      .get, "/held",
      handler: .async { _ in
        entered.open()
        try? await Task.sleep(for: .seconds(600))
        cancelled.open()
        return .text(200, "")
      })
    let (server, port) = try start([route])
    let client = try RawClient(port: port)
    client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
    await entered.wait()
    await server.shutdown(grace: .milliseconds(50))
    await cancelled.wait()
    #expect(await blocking { client.readToEnd() == [] && !client.timedOut })
  }

  @Test("what was sent before the shutdown is answered")
  func lastRequests() async throws {
    for _ in 0..<20 {
      let (server, port) = try start(SampleRoutes.all)
      let clients = try (0..<10).map { _ in try RawClient(port: port) }
      for client in clients { client.send(get) }
      await server.shutdown(grace: .seconds(10))
      let answers = await blocking { clients.map { try? $0.readAnswer().status } }
      #expect(answers == Array(repeating: 200, count: 10))
    }
  }

  @Test("shutting down twice, or before starting, returns")
  func twice() async throws {
    let (server, _) = try start(SampleRoutes.all)
    await server.shutdown(grace: .seconds(1))
    await server.shutdown(grace: .seconds(1))
    let never = try Server(
      routes: [], configuration: ServerConfiguration(), logger: .init(label: "test"))
    await never.shutdown(grace: .seconds(1))
  }

  @Test("nothing of a server stays behind")
  func released() async throws {
    weak var server: Server?
    do {
      let (started, port) = try start(SampleRoutes.all)
      server = started
      let client = try RawClient(port: port)
      client.send(get)
      #expect(await blocking { try? client.readAnswer().status } == 200)
      await started.shutdown(grace: .seconds(1))
    }
    // The queues let go of their last blocks a moment later.
    for _ in 0..<500 where server != nil { try await Task.sleep(for: .milliseconds(10)) }
    #expect(server == nil)
  }
}
