import Foundation
import Testing

@testable import HTTP

/// Deterministic: `HERALD_FUZZ_SEED` and `HERALD_FUZZ_COUNT` repeat and lengthen a run.
@Suite("Fuzzing")
struct FuzzTests {
  private static let environment = ProcessInfo.processInfo.environment

  /// Says what it got, so that a request read differently is seen.
  private static let routes: [Route] = ["/", "/echo", "/items/{id}", "/small"].flatMap { pattern in
    [HTTPMethod.get, .post, .put].map { method in
      Route(
        method, pattern, body: .buffered(limit: pattern == "/small" ? 10 : 100_000),
        handler: .immediate { request in
          let fields = request.headers.map { "\($0.name)=\($0.value)" }.joined(separator: ";")
          let seen = "\(request.path) \(request.query) \(fields) \(request.body)"
          return Response(status: 200, headers: ["X-Seen": "\(seen.utf8.map(Int.init))"])
        })
    }
  }

  @Test("mutated requests neither crash nor read differently in pieces nor get too many answers")
  func mutations() async throws {
    let seed = Self.environment["HERALD_FUZZ_SEED"].flatMap(UInt64.init) ?? 20_240_229
    let count = Self.environment["HERALD_FUZZ_COUNT"].flatMap(Int.init) ?? 50_000
    print("fuzzing HTTP with HERALD_FUZZ_SEED=\(seed) HERALD_FUZZ_COUNT=\(count)")
    let failures = try await blocking { try Self.run(seed: seed, count: count) }
    #expect(failures == [])
  }

  private static func run(seed: UInt64, count: Int) throws -> [String] {
    var mutator = RequestMutator(seed: seed)
    let server = try MemoryServer(routes)
    var failures: [String] = []
    for _ in 0..<count where failures.count < 5 {
      let input = mutator.next()
      let whole = server.verdict([input])
      let pieces = server.verdict(mutator.cut(input))
      if whole != pieces {
        failures.append("differs in pieces: \(shown(input)) \(whole) \(pieces)")
      }
      if whole.statuses.count > ends(in: input) + 1 {
        failures.append("too many answers: \(shown(input))")
      }
      if let bad = whole.statuses.first(where: { $0 >= 500 && ![501, 503, 505].contains($0) }) {
        failures.append("status \(bad): \(shown(input))")
      }
      if !whole.closed { failures.append("still open: \(shown(input))") }
    }
    return failures
  }

  private static func shown(_ input: [UInt8]) -> String {
    String(decoding: input, as: UTF8.self).debugDescription
  }

  /// A complete request ends its header with an empty line, so there are no more than these.
  private static func ends(in input: [UInt8]) -> Int {
    let mark = Array("\r\n\r\n".utf8)
    guard input.count >= 4 else { return 0 }
    return (0...(input.count - 4)).count { input[$0] == 13 && Array(input[$0..<($0 + 4)]) == mark }
  }
}
