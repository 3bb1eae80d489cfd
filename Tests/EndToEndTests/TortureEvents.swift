import Foundation
import HTTP
import HeraldTesting
import JSON
import Synchronization

/// What a crowd of clients sends: numbered events, a tenth of them sent again later, one in twenty out
/// of the order of time. Every fifth has no message id and is known by its content.
struct TortureEvents: Sendable {
  static let batch = 100

  let seed: UInt64
  let count: Int
  let start: Date

  /// The numbers each client sends, in its order. A repeat comes after the first, from whoever.
  func parts(clients: Int) -> [[Int]] {
    var random = TortureRandom(seed: seed)
    var parts = [[Int]](repeating: [], count: clients)
    for number in 0..<count {
      parts[number % clients].append(number)
      if number > 0, Int.random(in: 0..<10, using: &random) == 0 {
        let again = Int.random(in: max(0, number - 5000)..<number, using: &random)
        parts[Int.random(in: 0..<clients, using: &random)].append(again)
      }
    }
    return parts
  }

  /// The same bytes each time it is sent.
  func event(_ number: Int) -> String {
    // By the number alone, so that a repeat is the same whoever sends it.
    var random = TortureRandom(seed: seed ^ (UInt64(number) &* 0x9e37_79b9))
    let isLate = Int.random(in: 0..<20, using: &random) == 0
    let late = isLate ? Int.random(in: 60...2_000_000, using: &random) : 0
    let at = start.addingTimeInterval(Double(number) / 1000 - Double(late)).rfc3339
    let user = Int.random(in: 0..<max(10, count / 50), using: &random)
    let message = number.isMultiple(of: 5) ? "" : #""message_id":"\#(seed)-\#(number)","#
    return #"{\#(message)"user":{"external_id":"t-\#(user)"},"name":"torture","#
      + #""timestamp":"\#(at)","properties":{"n":\#(number)}}"#
  }

  func body(_ numbers: ArraySlice<Int>) -> [UInt8] {
    Array((#"{"events":["# + numbers.map(event).joined(separator: ",") + "]}").utf8)
  }
}

/// Clients that send until they have success, and remember how they were answered.
final class TortureSenders: Sendable {
  private struct State {
    var answers: [Int: Int] = [:]
    var broken = 0
    var accepted = 0
    var duplicates = 0
    var faults: [String] = []
  }

  private let api: APIClient
  private let events: TortureEvents
  private let state = Mutex(State())
  private let sent = Atomic(0)

  init(_ events: TortureEvents, _ api: APIClient) {
    self.events = events
    self.api = api
  }

  /// Events acknowledged so far, repeats counted.
  var acknowledged: Int { sent.load(ordering: .relaxed) }
  var faults: [String] { state.withLock { $0.faults } }

  var summary: String {
    state.withLock { state in
      let answers = state.answers.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
      return "\(answers.joined(separator: ", ")), \(state.broken) × no answer; "
        + "\(state.accepted) accepted, \(state.duplicates) known already"
    }
  }

  /// Returns when all is acknowledged.
  func send(clients: Int) async {
    await withTaskGroup(of: Void.self) { group in
      for part in events.parts(clients: clients) {
        group.addTask { await self.send(part) }
      }
    }
  }

  private func send(_ numbers: [Int]) async {
    for start in stride(from: 0, to: numbers.count, by: TortureEvents.batch) {
      let batch = numbers[start..<min(numbers.count, start + TortureEvents.batch)]
      let body = events.body(batch)
      while !Task.isCancelled {
        let outcome = await api.send("/v1/events", bytes: body, timeout: .seconds(10))
        if note(outcome, of: batch.count) { break }
        try? await Task.sleep(for: .milliseconds(50))
      }
      sent.add(batch.count, ordering: .relaxed)
    }
  }

  /// True for success.
  private func note(_ outcome: ClientOutcome, of count: Int) -> Bool {
    state.withLock { state in
      guard case .response(let response) = outcome else {
        state.broken += 1
        return false
      }
      state.answers[response.status, default: 0] += 1
      switch response.status {
      case 200:
        let receipt = (try? JSONScanner.parse(response.body)) ?? .null
        let accepted = receipt["accepted"]?.intValue ?? 0
        let duplicates = receipt["duplicates"]?.intValue ?? 0
        state.accepted += accepted
        state.duplicates += duplicates
        if accepted + duplicates != count || receipt["not_deduplicated"] != nil {
          state.faults.append(String(decoding: response.body.prefix(300), as: UTF8.self))
        }
        return true
      case 429, 503:
        if response.header("Retry-After") == nil { state.faults.append("no Retry-After") }
        return false
      default:
        state.faults.append(
          "\(response.status) " + String(decoding: response.body.prefix(300), as: UTF8.self))
        return false
      }
    }
  }
}
