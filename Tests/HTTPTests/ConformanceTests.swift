import Foundation
import Testing

@testable import HTTP

@Suite("HTTP/1.1 conformance")
struct ConformanceTests {
  @Test("a request gets its statuses", arguments: ConformanceCase.all)
  func whole(_ example: ConformanceCase) throws {
    let server = try MemoryServer(SampleRoutes.all)
    let verdict = server.verdict([example.request])
    #expect(verdict.statuses == example.statuses)
  }

  @Test("the verdict is the same at one byte a segment", arguments: ConformanceCase.all)
  func split(_ example: ConformanceCase) throws {
    let server = try MemoryServer(SampleRoutes.all)
    #expect(server.verdict(example.request.map { [$0] }) == server.verdict([example.request]))
  }

  @Test("over a socket a request gets its statuses, and the connection ends when it must")
  func sockets() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      for example in ConformanceCase.all {
        for segments in [[example.request], example.request.map { [$0] }] {
          if segments.count > 2_000 { continue }
          let client = try RawClient(port: port)
          for segment in segments where !client.send(segment) { break }
          // When the server closes by itself, the client keeps its side open.
          if !example.closes || example.endsInTheMiddle { client.finishSending() }
          let statuses = statuses(in: client.readToEnd())
          #expect(statuses == example.statuses, "\(example.name)")
          #expect(!client.timedOut, "\(example.name)")
        }
      }
      let alive = try RawClient(port: port)
      #expect(try alive.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status == 200)
    }
  }
}

/// What can be compared between two ways of cutting the same bytes.
struct Verdict: Equatable {
  var statuses: [Int]
  /// The output without what differs by the time or by chance.
  var text: [String]
  var closed: Bool
}

extension MemoryServer {
  func verdict(_ segments: [[UInt8]]) -> Verdict {
    let (output, closed) = answers(segments)
    let lines = String(decoding: output, as: UTF8.self).split(
      separator: "\r\n", omittingEmptySubsequences: false)
    let text = lines.filter { !$0.hasPrefix("Date:") && !$0.hasPrefix("X-Request-Id:") }.map {
      String($0.prefix { $0 != "{" })
    }
    return Verdict(statuses: statuses(in: output), text: text, closed: closed)
  }
}

/// The final statuses: those whose head has a request id, which interim ones have not.
func statuses(in output: [UInt8]) -> [Int] {
  String(decoding: output, as: UTF8.self).components(separatedBy: "HTTP/1.1 ").compactMap {
    $0.contains("\r\nX-Request-Id: ") ? Int($0.prefix(3)) : nil
  }
}

extension ConformanceCase {
  /// Whether the bytes are no fault, but not a whole number of requests either.
  var endsInTheMiddle: Bool {
    var parser = RequestParser()
    parser.feed(request)
    do {
      while try parser.next() != nil {}
    } catch {
      return false
    }
    return parser.finish() != nil
  }
}
