import HTTP
import JSON
import Testing

@testable import Herald

/// That whoever saves a condition hears of operands that can never match.
@Suite("Types of conditions at save") struct ConditionTypesTests {
  /// Declares, sends and folds what the tests compare with.
  private func with(_ body: (CampaignScene) async throws -> Void) async throws {
    try await CampaignScene.with { scene in
      try await scene.put("attributes/age", ["type": "number"])
      try await scene.put("attributes/born", ["type": "date"])
      try await scene.put("attributes/anything", [:])
      try await scene.put(
        "tags/lifecycle",
        [
          "name": "L", "category": "lifecycle", "type": "choice", "choices": ["growth", "mature"],
        ])
      try await scene.people(2) { n, user in
        user["attributes"] = [
          "city": "Hangzhou", "since": "2026-01-31", "mixed": n == 0 ? 1 : "1", "anything": 1,
        ]
      }
      try await scene.events([
        ("paid", 0, 0, ["amount": 10, "sku": "a", "mixed": 1, "gone": .null]),
        ("paid", 1, 0, ["amount": 12, "sku": "b", "mixed": "1"]),
      ])
      try await scene.put(
        "catalogue/events/shipped", ["properties": ["at": ["type": "instant"]]])
      try await Catalogue(db: scene.herald.app.db).fold(now: scene.herald.clock.now)
      try await body(scene)
    }
  }

  private static let good: JSONValue = [
    "all": [
      ["attribute": "age", "gte": 18], ["attribute": "born", "matches_day": "today"],
      ["attribute": "city", "in": ["Hangzhou"]], ["attribute": "since", "after": ["ago": "7d"]],
      ["attribute": "mixed", "eq": true], ["attribute": "never_seen", "gte": "abc"],
      ["tag": "lifecycle", "eq": "growth"],
      [
        "event": "paid", "sum": "amount", "gte": 5,
        "where": [
          ["property": "amount", "gte": 100], ["property": "mixed", "eq": true],
          ["property": "gone", "eq": 1],
        ],
      ],
      ["event": "shipped", "where": [["property": "at", "before": "now"]]],
      ["event": "unheard_of", "where": [["property": "amount", "gte": "abc"]]],
    ]
  ]
  private static let bad: JSONValue = [
    "all": [
      ["attribute": "age", "gte": "abc"], ["not": ["attribute": "born", "eq": "soon"]],
      ["attribute": "city", "in": ["Hangzhou", 7]], ["attribute": "since", "gt": 3],
      ["attribute": "anything", "eq": "1"], ["tag": "lifecycle", "eq": "nochoice"],
      ["event": "paid", "sum": "sku", "gte": 5, "where": [["property": "amount", "gte": "abc"]]],
      ["event": "shipped", "where": [["property": "at", "eq": "later"]]],
    ]
  ]
  private static let faults = [
    "type_mismatch /all/0/gte", "type_mismatch /all/1/not/eq", "type_mismatch /all/2/in/1",
    "type_mismatch /all/3/gt", "type_mismatch /all/4/eq", "invalid_choice /all/5/eq",
    "type_mismatch /all/6/sum", "type_mismatch /all/6/where/0/gte",
    "type_mismatch /all/7/where/0/eq",
  ]

  private func found(_ answer: HeraldInProcess.Answer, below place: String) -> [String] {
    (answer.json["errors"]?.arrayValue ?? []).map {
      let pointer = $0["pointer"]?.stringValue ?? ""
      return "\($0["code"]?.stringValue ?? "") "
        + (pointer.hasPrefix(place) ? String(pointer.dropFirst(place.count)) : "?" + pointer)
    }
  }

  @Test("segments, previews, rules of tags and user scopes")
  func conditions() async throws {
    try await with { scene in
      func save(_ condition: JSONValue) async throws -> [(HeraldInProcess.Answer, place: String)] {
        func call(
          _ method: HTTPMethod, _ path: String, _ body: JSONValue
        ) async throws -> HeraldInProcess.Answer {
          try await scene.herald.call(method, "/v1/\(path)", body, key: scene.admin)
        }
        return [
          (
            try await call(
              .put, "segments/s", ["name": "S", "refresh": "live", "condition": condition]),
            "/condition"
          ),
          (try await call(.post, "segments/preview", ["condition": condition]), "/condition"),
          (
            try await call(
              .put, "tags/ruled", ["name": "R", "category": "custom", "rule": condition]), "/rule"
          ),
          (
            try await call(
              .post, "keys",
              ["name": "k", "role": "analyst", "principal": "ann", "user_scope": condition]),
            "/user_scope"
          ),
        ]
      }
      for (answer, place) in try await save(Self.bad) {
        #expect(answer.status == 422, "\(place)")
        #expect(found(answer, below: place) == Self.faults, "\(place)")
      }
      for (answer, place) in try await save(Self.good) {
        #expect(
          answer.status < 300, "\(place): \(String(decoding: answer.bytes, as: UTF8.self))")
      }
    }
  }

  @Test("what is stored goes on when a type is declared afterwards; saving it anew is refused")
  func stored() async throws {
    try await with { scene in
      func put(_ name: JSONValue) async throws -> HeraldInProcess.Answer {
        try await scene.herald.call(
          .put, "/v1/segments/s",
          ["name": name, "refresh": "live", "condition": ["attribute": "later", "eq": "1"]],
          key: scene.author)
      }
      #expect(try await put("S").status == 201)
      try await scene.put("attributes/later", ["type": "number"])
      let users = try await scene.herald.call(.get, "/v1/segments/s/users", key: scene.author)
      #expect(users.status == 200)
      #expect(try await put("S").status == 200)
      #expect(try await put("T").pointers == ["/condition/eq"])
    }
  }

  private static func plan(_ operand: String, _ choice: String, date: String) -> String {
    CampaignScene.triggered(
      #"""
      {"event": "paid", "where": [{"property": "sku", "eq": "a"}, {"property": "amount", "gte": \#(operand)}],
       "unless": {"event": "shipped", "within": "1d", "where": [{"property": "at", "eq": \#(date)}]}}
      """#, #""audience": {"not": {"any": [{"tag": "lifecycle", "eq": "\#(choice)"}]}}"#,
      steps: #"""
        {"id": "w", "wait_until": {"event": "paid", "timeout": "1h", "where": [{"property": "amount", "in": [1, \#(operand)]}]}},
        {"id": "b", "branch": [
          {"if": {"condition": {"attribute": "age", "exists": true}}, "then": "hello"},
          {"if": {"condition": {"attribute": "age", "lt": \#(operand)}, "where": [{"property": "amount", "ne": \#(operand)}]}, "then": "hello"}]},
        """# + PlanText.step("hello", PlanText.push))
  }
  private static let planFaults: Set<String> = [
    "type_mismatch /trigger/where/1/gte", "type_mismatch /trigger/unless/where/0/eq",
    "invalid_choice /audience/not/any/0/eq", "type_mismatch /steps/0/wait_until/where/0/in/1",
    "type_mismatch /steps/1/branch/1/if/condition/lt",
    "type_mismatch /steps/1/branch/1/if/where/0/ne",
  ]

  @Test("plans: the trigger, the audience, waits and branches, all at once")
  func plans() async throws {
    try await with { scene in
      let fine = Self.plan("5", "growth", date: #""2026-01-31T00:00:00Z""#)
      try await scene.draft(fine)
      #expect(try await scene.submit().status == 201)
      let refused = try await scene.write(
        Self.plan(#""abc""#, "nochoice", date: #""later""#), key: "bad", by: scene.author)
      #expect(refused.status == 422)
      #expect(Set(found(refused, below: "")) == Self.planFaults)
      #expect(refused.pointers.count == Self.planFaults.count)
    }
  }

  @Test("beside other faults, places stay those of the document")
  func beside() async throws {
    try await with { scene in
      let text = CampaignScene.triggered(
        #"{"event": "paid", "where": [{"property": "amount", "gte": "abc"}]}"#,
        steps: #"""
          {"id": "b", "branch": [
            {"if": {}, "then": "hello"},
            {"if": {"where": [{"property": "amount"}, {"property": "amount", "eq": "x"}]}, "then": "hello"},
            {"if": {"condition": {"attribute": "age", "eq": "x"}}, "then": "hello"}]},
          """# + PlanText.step("hello", PlanText.push))
      let refused = try await scene.write(text, by: scene.author)
      #expect(
        Set(refused.pointers) == [
          "/trigger/where/0/gte", "/steps/0/branch/0/if", "/steps/0/branch/1/if/where/0",
          "/steps/0/branch/2/if/condition/eq",
        ])
    }
  }

  @Test("dates to go by are texts, and events that dates come from have types, too")
  func dates() async throws {
    try await with { scene in
      func event(_ operand: String) -> String {
        #"{"event": "paid", "where": [{"property": "amount", "eq": \#(operand)}]}"#
      }
      let cases = [
        (#""age""#, ["/trigger/date"]), (#""anything""#, ["/trigger/date"]), (#""born""#, []),
        (#""since""#, []), (#""mixed""#, []), (#""never_seen""#, []),
        (event(#""1""#), ["/trigger/date/where/0/eq"]), (event("1"), []),
      ]
      for (date, pointers) in cases {
        let answer = try await scene.write(
          CampaignScene.triggered(#"{"date": \#(date), "at": "10:00"}"#), by: scene.author)
        #expect(answer.pointers == pointers, "\(date)")
        #expect(answer.status == 422 || pointers.isEmpty)
      }
    }
  }

  @Test("a draft from before anything was seen is refused when submitted; looking at it is not")
  func submission() async throws {
    try await with { scene in
      try await scene.draft(
        CampaignScene.triggered(
          #"{"event": "opened_door", "where": [{"property": "n", "gte": "abc"}]}"#))
      let numbers = (0..<2).map { ("opened_door", $0, 0.0, ["n": .int($0)] as JSONValue) }
      try await scene.events(numbers)
      try await Catalogue(db: scene.herald.app.db).fold(now: scene.herald.clock.now)
      let dry = try await scene.herald.call(
        .post, "/v1/plans/hello/dry-run", key: scene.author)
      #expect(dry.status == 200)
      #expect(try await scene.submit().pointers == ["/trigger/where/0/gte"])
    }
  }
}
