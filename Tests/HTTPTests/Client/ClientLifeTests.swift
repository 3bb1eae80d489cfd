import Foundation
import Synchronization
import Testing

@testable import HTTP

@Suite("Limits, cancellation and shutdown") struct ClientLifeTests {
  /// Takes requests and never answers; `arrived` yields once for each.
  func silentServer() throws -> (server: StandIn, arrived: AsyncStream<Void>) {
    let (arrived, arrival) = AsyncStream.makeStream(of: Void.self)
    let server = try StandIn { connection in
      while connection.receive() != nil { arrival.yield() }
    }
    return (server, arrived)
  }

  @Test("Cancelling the task aborts a request under way: unknown, its connection closed")
  func cancellation() async throws {
    let (closed, closing) = AsyncStream.makeStream(of: Bool.self)
    let server = try StandIn { connection in
      _ = connection.receive()
      closing.yield(false)
      connection.waitForClose()
      closing.yield(true)
    }
    let client = makeClient()
    let task = Task {
      await client.send(ClientRequest(method: "POST", url: server.url(), body: [1]))
    }
    var events = closed.makeAsyncIterator()
    _ = await events.next()
    task.cancel()
    #expect(await task.value.unknown == "cancelled")
    #expect(await events.next() == true)
  }

  @Test("A task that is already cancelled sends nothing")
  func cancelledBefore() async throws {
    let server = try StandIn.answering()
    let client = makeClient()
    let outcome = await withTaskGroup(of: ClientOutcome.self) { group in
      group.cancelAll()
      group.addTask { await client.send(ClientRequest(url: server.url())) }
      return await group.next()
    }
    #expect(outcome?.notSent == "cancelled")
    #expect(server.accepted == 0)
  }

  @Test("Cancellations at any moment leave every request with one outcome")
  func cancellationRaces() async throws {
    let server = try StandIn.answering()
    let client = makeClient { $0.maxConnectionsPerHost = 4 }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<500 {
        group.addTask {
          let task = Task { await client.send(ClientRequest(url: server.url())) }
          await Task.yield()
          task.cancel()
          _ = await task.value
        }
      }
    }
    // All places were given back: as many as the limit allows still work at once.
    await withTaskGroup(of: ClientOutcome.self) { group in
      for _ in 0..<4 { group.addTask { await client.send(ClientRequest(url: server.url())) } }
      for await outcome in group { #expect(outcome.response?.status == 200, "\(outcome)") }
    }
  }

  @Test("No more connections to a host than allowed, and all requests get their turn")
  func hostLimit() async throws {
    let server = try StandIn.answering()
    let client = makeClient { $0.maxConnectionsPerHost = 3 }
    await withTaskGroup(of: ClientOutcome.self) { group in
      for _ in 0..<200 {
        group.addTask { await client.send(ClientRequest(url: server.url())) }
      }
      for await outcome in group { #expect(outcome.response?.status == 200) }
    }
    #expect(server.mostOpen <= 3)
  }

  @Test("A group that hangs leaves room for the others")
  func bulkhead() async throws {
    let (silent, arrived) = try silentServer()
    let server = try StandIn.answering()
    let client = makeClient {
      $0.maxConnections = 4
      $0.maxConnectionsPerGroup = 2
    }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<20 {
        group.addTask {
          let request = ClientRequest(url: silent.url(), timeout: .seconds(60), group: "slow")
          _ = await client.send(request)
        }
      }
      var arrivals = arrived.makeAsyncIterator()
      for _ in 0..<2 { _ = await arrivals.next() }
      for _ in 0..<20 {
        let outcome = await client.send(ClientRequest(url: server.url(), group: "quick"))
        #expect(outcome.response?.status == 200)
      }
      #expect(silent.requests.count == 2)
      group.cancelAll()
    }
  }

  @Test("A request that gets no connection within its time was surely not sent")
  func waitingTimeout() async throws {
    let (silent, arrived) = try silentServer()
    let client = makeClient { $0.maxConnectionsPerHost = 1 }
    let first = Task { await client.send(ClientRequest(url: silent.url(), timeout: .seconds(60))) }
    var arrivals = arrived.makeAsyncIterator()
    _ = await arrivals.next()
    let second = await client.send(
      ClientRequest(url: silent.url(), timeout: .milliseconds(100)))
    #expect(second.notSent != nil)
    #expect(silent.requests.count == 1)
    first.cancel()
    #expect(await first.value.unknown != nil)
  }

  @Test("Shutdown lets what is under way end and refuses the rest")
  func shutdown() async throws {
    let (arrived, arrival) = AsyncStream.makeStream(of: Void.self)
    let release = DispatchSemaphore(value: 0)
    let server = try StandIn { connection in
      _ = connection.receive()
      arrival.yield()
      release.wait()
      connection.send(StandIn.ok)
    }
    let client = makeClient { $0.maxConnectionsPerHost = 1 }
    let first = Task { await client.send(ClientRequest(url: server.url())) }
    var arrivals = arrived.makeAsyncIterator()
    _ = await arrivals.next()
    let waiting = Task { await client.send(ClientRequest(url: server.url())) }
    let end = Task { await client.shutdown() }
    #expect(await waiting.value.notSent != nil)
    release.signal()
    #expect(await first.value.response?.status == 200)
    await end.value
    #expect(await client.send(ClientRequest(url: server.url())).notSent != nil)
    await client.shutdown()
  }

  @Test("Shutdown without grace aborts: unknown")
  func abort() async throws {
    let (silent, arrived) = try silentServer()
    let client = makeClient()
    let task = Task {
      await client.send(ClientRequest(method: "POST", url: silent.url(), body: [1]))
    }
    var arrivals = arrived.makeAsyncIterator()
    _ = await arrivals.next()
    await client.shutdown(grace: .zero)
    #expect(await task.value.unknown != nil)
  }

  @Test("A name is looked up once for many requests and pinned for libcurl")
  func names() async throws {
    let server = try StandIn.answering()
    let lookups = SendCounter()
    let client = makeClient {
      $0.lookup = { host in
        lookups.increment()
        return .success([ClientAddress(literal: "127.0.0.1")].compactMap { $0 })
      }
    }
    let url = "http://hook.invalid:\(server.port)/"
    await withTaskGroup(of: ClientOutcome.self) { group in
      for _ in 0..<50 { group.addTask { await client.send(ClientRequest(url: url)) } }
      for await outcome in group { #expect(outcome.response?.status == 200, "\(outcome)") }
    }
    #expect(lookups.value == 1)
    #expect(server.requests.first?.header("host") == "hook.invalid:\(server.port)")
  }

  @Test("A name that cannot be resolved, or not in time: surely not sent")
  func unresolved() async throws {
    let release = DispatchSemaphore(value: 0)
    let client = makeClient {
      $0.lookup = { host in
        if host == "slow.invalid" { release.wait() }
        return .failure(ClientRefusal(reason: "\(host) is not there"))
      }
    }
    let absent = await client.send(ClientRequest(url: "http://absent.invalid/"))
    #expect(absent.notSent == "absent.invalid is not there")
    let slow = await client.send(
      ClientRequest(url: "http://slow.invalid/", timeout: .milliseconds(100)))
    #expect(slow.notSent?.contains("slow.invalid") == true)
    release.signal()
  }
}

final class SendCounter: Sendable {
  private let count = Mutex(0)
  func increment() { count.withLock { $0 += 1 } }
  var value: Int { count.withLock { $0 } }
}
