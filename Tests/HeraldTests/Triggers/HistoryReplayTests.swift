import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// "Did A, not B within N", as plans that run while a history is told day by day, against answers
/// that another program found in the whole of it.
@Suite(
  "Histories told again",
  .enabled(if: SharedHistory.folder != nil, "no shared/data; set HERALD_SHARED"))
struct HistoryReplayTests {
  /// `make torture` asks all questions of both histories.
  private static let isWhole = ProcessInfo.processInfo.environment["HERALD_TORTURE"] == "long"

  private struct Question {
    let key: String
    let first: String
    let then: String
    let within: String
  }

  /// People whose A is old enough to be decided on, and of those who had a B and who had none.
  private struct Answer: Equatable, CustomStringConvertible {
    let eligible: Int
    let had: Int
    let hadNot: Int

    var description: String { "\(eligible) eligible: \(had) A and B, \(hadNot) A not B" }
  }

  @Test("the clickstream comes to its reference")
  func clickstream() async throws {
    let reference = try SharedHistory.reference("ecom_clickstream")["did_A_not_B"]
    var expected: [String: Answer] = [:]
    var questions: [Question] = []
    for (index, member) in (reference?.objectValue ?? [:]).members.enumerated() {
      let parts = member.key.split(separator: "|").map(String.init)
      let key = "q\(index)"
      questions.append(Question(key: key, first: parts[0], then: parts[1], within: parts[2]))
      expected[key] = Answer(
        eligible: member.value["first_eligible"]?.intValue ?? -1,
        had: member.value["first_A_and_B"]?.intValue ?? -1,
        hadNot: member.value["first_A_not_B"]?.intValue ?? -1)
    }
    #expect(questions.count == 20)
    // All of them take minutes; one asks the same of the program.
    if !Self.isWhole {
      questions.removeFirst(questions.firstIndex { $0.first == "add_to_cart" } ?? 0)
      questions.removeLast(questions.count - 1)
      expected = expected.filter { key, _ in questions.contains { $0.key == key } }
    }
    let events = try SharedHistory.clickstream()
    let answers = try await answers(questions, events, end: events.last?.at, step: 86_400)
    #expect(answers == expected)
  }

  @Test(
    "a year and a half of CDNOW comes to its reference",
    .enabled(if: isWhole, "only in `make torture`"))
  func cdnow() async throws {
    let reference = try SharedHistory.reference("cdnow")["did_A_not_B_within_N_days"]
    var expected: [String: Answer] = [:]
    var questions: [Question] = []
    for (days, counts) in (reference?.objectValue ?? [:]).members {
      let key = "q\(days)"
      questions.append(
        Question(key: key, first: "purchase", then: "purchase", within: "\(days)d"))
      expected[key] = Answer(
        eligible: counts["A"]?.intValue ?? -1, had: counts["A_and_B"]?.intValue ?? -1,
        hadNot: counts["A_not_B"]?.intValue ?? -1)
    }
    #expect(!questions.isEmpty)
    let end = Date(rfc3339: "1998-07-01T00:00:00Z")
    let answers = try await answers(
      questions, SharedHistory.cdnow(), end: end, step: 7 * 86_400)
    #expect(answers == expected)
  }

  private func answers(
    _ questions: [Question], _ events: [SharedHistory.Happening], end: Date?, step: TimeInterval
  ) async throws -> [String: Answer] {
    let end = try #require(end)
    let start = try #require(events.first?.at)
    var answers: [String: Answer] = [:]
    try await CampaignScene.with { scene in
      let clock = scene.herald.clock
      clock.advance(by: start.timeIntervalSince(clock.now))
      for question in questions {
        try await scene.launch(
          CampaignScene.triggered(
            #"""
            {"event": "\#(question.first)", "occurrence": "first",
             "unless": {"event": "\#(question.then)", "within": "\#(question.within)"}}
            """#), key: question.key)
      }
      var rest = events[...]
      while clock.now < end {
        clock.advance(by: min(step, end.timeIntervalSince(clock.now)))
        let told = rest.prefix { $0.at <= clock.now }
        rest = rest.dropFirst(told.count)
        try await tell(Array(told), to: scene)
        try await scene.drain()
      }
      for question in questions { answers[question.key] = try await answer(question, scene) }
    }
    return answers
  }

  private func tell(_ events: [SharedHistory.Happening], to scene: CampaignScene) async throws {
    for batch in stride(from: 0, to: events.count, by: 1000) {
      let list = events[batch..<min(batch + 1000, events.count)].map { event -> JSONValue in
        [
          "user": ["external_id": .string(event.user)], "name": .string(event.name),
          "timestamp": .instant(event.at), "message_id": .string(event.messageID),
        ]
      }
      let answer = try await scene.herald.call(
        .post, "/v1/events", ["events": .array(list)], key: scene.admin)
      try #require(
        answer.status == 200 && answer.json["rejected"] == [],
        "\(String(decoding: answer.bytes, as: UTF8.self))")
    }
  }

  private func answer(_ question: Question, _ scene: CampaignScene) async throws -> Answer {
    let seconds = Double(try #require(TimeSpan(question.within)).seconds)
    let now = scene.herald.clock.now
    let row = try await scene.herald.app.db.read { db in
      try db.one(
        """
        SELECT count(*) AS eligible, count(*) FILTER (WHERE state = 'exited') AS had,
          count(*) FILTER (WHERE state = 'finished') AS had_not
        FROM enrolments WHERE plan = \(question.key)
          AND since + make_interval(secs => \(seconds)) <= \(now)
        """
      ).map {
        (
          try $0.get("eligible", as: Int.self), try $0.get("had", as: Int.self),
          try $0.get("had_not", as: Int.self)
        )
      }
    }
    let counts = try #require(row)
    return Answer(eligible: counts.0, had: counts.1, hadNot: counts.2)
  }
}
