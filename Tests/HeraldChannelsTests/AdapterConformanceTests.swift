import Foundation
import HTTP
import Herald
import JSON
import Testing

@testable import HeraldChannels

/// One adapter under test: how to set it up against something that takes messages, and how to see
/// what arrived.
struct AdapterCase: Sendable, CustomTestStringConvertible {
  let name: String
  /// Against a receiver that takes everything.
  let healthy: @Sendable () throws -> Subject
  /// Against one that cannot take anything now.
  let broken: @Sendable () throws -> Subject

  struct Subject: Sendable {
    let kind: AdapterKind
    let configuration: SenderConfiguration
    /// The keys of what arrived, with repeats.
    let arrived: @Sendable () throws -> [String]
    /// Contents of what arrived, by key.
    let contents: @Sendable () throws -> [String: JSONValue]
  }

  var testDescription: String { name }

  static let all = [http, file]

  private static let http = AdapterCase(
    name: "http",
    healthy: {
      let server = try RawServer.answering(200)
      let bodies: @Sendable () throws -> [JSONValue] = {
        try server.requests.map { try JSONScanner.parse($0.body) }
      }
      return subject(url: server.url, bodies)
    },
    broken: {
      let port = try RawServer.closedPort()
      return subject(url: "http://127.0.0.1:\(port)/") { [] }
    })

  private static func subject(
    url: String, _ bodies: @escaping @Sendable () throws -> [JSONValue]
  ) -> Subject {
    Subject(
      kind: HTTPChannel.kind(client: Fixture.client, allowPrivate: true),
      configuration: SenderConfiguration(
        key: "under_test", channel: .sms,
        config: ["url": .string(url), "secret": .string(Fixture.secret)], timeout: .seconds(5)),
      arrived: { try bodies().compactMap { $0["idempotency_key"]?.stringValue } },
      contents: { try contents(bodies()) })
  }

  private static let file = AdapterCase(
    name: "file",
    healthy: { subject(directory: Fixture.directory()) },
    broken: {
      // A device that is always full.
      let directory = Fixture.directory()
      let messages = directory.appendingPathComponent("messages", isDirectory: true)
      try FileManager.default.createDirectory(at: messages, withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: messages.appendingPathComponent("under_test.ndjson").path,
        withDestinationPath: "/dev/full")
      return subject(directory: directory)
    })

  private static func subject(directory: URL) -> Subject {
    let file = directory.appendingPathComponent("messages/under_test.ndjson")
    return Subject(
      kind: FileChannel.kind(dataDirectory: directory),
      configuration: SenderConfiguration(
        key: "under_test", channel: .sms, config: [:], timeout: .seconds(5)),
      arrived: { try Fixture.lines(file).compactMap { $0["idempotency_key"]?.stringValue } },
      contents: { try contents(Fixture.lines(file)) })
  }

  private static func contents(_ bodies: [JSONValue]) -> [String: JSONValue] {
    var found: [String: JSONValue] = [:]
    for body in bodies { found[body["idempotency_key"]?.stringValue ?? ""] = body["content"] }
    return found
  }
}

@Suite("Every adapter")
struct AdapterConformanceTests {
  @Test("accepts the settings it is made with", arguments: AdapterCase.all)
  func settings(adapter: AdapterCase) throws {
    let subject = try adapter.healthy()
    let faults = Faults()
    subject.kind.validate(subject.configuration.config, .root, faults)
    #expect(faults.all.isEmpty)
  }

  @Test("refuses a setting it does not know, at its place", arguments: AdapterCase.all)
  func unknownSetting(adapter: AdapterCase) throws {
    let subject = try adapter.healthy()
    var config = subject.configuration.config.objectValue ?? [:]
    config["no_such"] = 1
    let faults = Faults()
    subject.kind.validate(.object(config), JSONPointer(tokens: ["config"]), faults)
    #expect(faults.all.map(\.pointer.description) == ["/config/no_such"])
  }

  @Test("carries a message unchanged and says sent", arguments: AdapterCase.all)
  func carries(adapter: AdapterCase) async throws {
    let subject = try adapter.healthy()
    let channel = try subject.kind.make(subject.configuration)
    let message = Fixture.message()
    guard case .sent = await channel.send(message) else {
      Issue.record("not sent")
      return
    }
    #expect(try subject.contents() == [message.idempotencyKey: message.content])
    await channel.shutdown()
  }

  @Test("carries many at once, each exactly once", arguments: AdapterCase.all)
  func concurrent(adapter: AdapterCase) async throws {
    let subject = try adapter.healthy()
    let channel = try subject.kind.make(subject.configuration)
    let messages = (0..<200).map { Fixture.message($0) }
    await withTaskGroup(of: Void.self) { group in
      for message in messages {
        group.addTask {
          guard case .sent = await channel.send(message) else {
            Issue.record("not sent")
            return
          }
        }
      }
    }
    #expect(try subject.arrived().sorted() == messages.map(\.idempotencyKey).sorted())
    await channel.shutdown()
  }

  @Test("says retry when surely nothing was taken", arguments: AdapterCase.all)
  func broken(adapter: AdapterCase) async throws {
    let channel = try adapter.broken().kind.make(adapter.broken().configuration)
    guard case .retry = await channel.send(Fixture.message()) else {
      Issue.record("not a retry")
      return
    }
  }

  @Test("takes no callback that is not signed", arguments: AdapterCase.all)
  func unsigned(adapter: AdapterCase) throws {
    let subject = try adapter.healthy()
    let channel = try subject.kind.make(subject.configuration)
    let request = Request(method: .post, body: Array(#"{"receipts": []}"#.utf8))
    #expect(throws: HeraldError.self) { try channel.receipts(request, now: Date()) }
  }
}
