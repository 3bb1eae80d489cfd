import Foundation
import HTTP
import HeraldTesting
import JSON
import Synchronization

/// What a crowd of clients sends: numbered events, a tenth of them sent again later, one in twenty out
/// of the order of time. Every fifth has no message id and is known by its content.
/// Half of the others go the way of Segment's clients, which say anew at each try when they send.
struct TortureEvents: Sendable {
  static let batch = 100

  let seed: UInt64
  let count: Int
  let start: Date
  /// Whether Herald has Segment's way.
  var isTracking = false

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

  enum Way: String, CaseIterable {
    case events = "/v1/events"
    case tracking = "/v1/batch"
  }

  /// Always the same for a number: repeats are recognised within a way.
  func way(of number: Int) -> Way {
    !isTracking || number.isMultiple(of: 5) || number.isMultiple(of: 2) ? .events : .tracking
  }

  private func facts(_ number: Int) -> (at: String, user: String) {
    // By the number alone, so that a repeat is the same whoever sends it.
    var random = TortureRandom(seed: seed ^ (UInt64(number) &* 0x9e37_79b9))
    let isLate = Int.random(in: 0..<20, using: &random) == 0
    let late = isLate ? Int.random(in: 60...2_000_000, using: &random) : 0
    let at = start.addingTimeInterval(Double(number) / 1000 - Double(late)).rfc3339
    let user = Int.random(in: 0..<max(10, count / 50), using: &random)
    return (at, "t-\(user)")
  }

  /// The same bytes each time it is sent.
  func event(_ number: Int) -> String {
    let facts = facts(number)
    let message = number.isMultiple(of: 5) ? "" : #""message_id":"\#(seed)-\#(number)","#
    return #"{\#(message)"user":{"external_id":"\#(facts.user)"},"name":"torture","#
      + #""timestamp":"\#(facts.at)","properties":{"n":\#(number)}}"#
  }

  private func call(_ number: Int) -> String {
    let facts = facts(number)
    return #"{"type":"track","messageId":"\#(seed)-\#(number)","userId":"\#(facts.user)","#
      + #""event":"torture","timestamp":"\#(facts.at)","properties":{"n":\#(number)}}"#
  }

  func body(_ numbers: [Int], _ way: Way, now: Date) -> [UInt8] {
    switch way {
    case .events:
      Array((#"{"events":["# + numbers.map(event).joined(separator: ",") + "]}").utf8)
    case .tracking:
      Array(
        (#"{"batch":["# + numbers.map(call).joined(separator: ",")
          + #"],"sentAt":"\#(now.rfc3339)"}"#).utf8)
    }
  }
}

/// Clients that send until they have success, and remember how they were answered.
final class TortureSenders: Sendable {
  private struct State {
    var answers: [Int: Int] = [:]
    var broken = 0
    var accepted = 0
    var duplicates = 0
    /// Calls that were answered with success, which does not say what was known.
    var tracked = 0
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
        + "\(state.accepted) accepted, \(state.duplicates) known already, "
        + "\(state.tracked) calls of Segment's kind"
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
      for way in TortureEvents.Way.allCases {
        let part = batch.filter { events.way(of: $0) == way }
        while !part.isEmpty, !Task.isCancelled {
          let body = events.body(part, way, now: Date())
          let outcome = await api.send(way.rawValue, bytes: body, timeout: .seconds(10))
          if note(outcome, of: part.count, way) { break }
          try? await Task.sleep(for: .milliseconds(50))
        }
      }
      sent.add(batch.count, ordering: .relaxed)
    }
  }

  /// True for success.
  private func note(_ outcome: ClientOutcome, of count: Int, _ way: TortureEvents.Way) -> Bool {
    state.withLock { state in
      guard case .response(let response) = outcome else {
        state.broken += 1
        return false
      }
      state.answers[response.status, default: 0] += 1
      switch response.status {
      case 200 where way == .tracking:
        state.tracked += count
        return true
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
