import Conditions
import JSON
import Testing

@Suite("Types of operands") struct ConditionTypeTests {
  private func faults(
    of text: String, _ known: (Condition.Subject) -> KnownType?
  ) throws -> [JSONFault] {
    let faults = Faults()
    let condition = try #require(
      Condition.parse(try JSONScanner.parse(Array(text.utf8)), faults: faults))
    condition.checkTypes(faults: faults, known: known)
    return faults.all
  }

  @Test("every operand that does not fit is a fault at its place, however deep")
  func places() throws {
    let types: [String: ValueType] = [
      "age": .number, "tier": .string, "sku": .string, "at": .instant, "amount": .integer,
      "list": .array, "flag": .boolean,
    ]
    let found = try faults(
      of: #"""
        {"all":[{"attribute":"age","in":[1,"2"],"between":["1","2"]},{"not":{"tag":"tier","gte":3}},
        {"event":"paid","sum":"sku","gte":1,"where":[{"property":"at","before":"now"},{"property":"amount","starts_with":"x"}]},
        {"event":"paid","sum":"amount","gte":1},
        {"any":[{"sequence":[{"event":"a"},{"event":"b","where":[{"property":"list","contains":5},{"property":"flag","eq":1}]}]}]}]}
        """#
    ) { subject in
      switch subject {
      case .attribute(let key), .tag(let key), .property(let key, _):
        types[key].map { KnownType($0, .declared) }
      }
    }
    #expect(
      found.map(\.pointer.description) == [
        "/all/0/in/1", "/all/0/between/0", "/all/0/between/1", "/all/1/not/gte", "/all/2/sum",
        "/all/2/where/1/starts_with", "/all/4/any/0/sequence/1/where/1/eq",
      ])
    #expect(found.allSatisfy { $0.code == .typeMismatch })
  }

  @Test(
    "what each type takes, and what it does not",
    arguments: [
      (
        .string,
        [
          #""eq":"x""#, #""gt":"x""#, #""between":["a","b"]"#, #""contains":"x""#,
          #""starts_with":"x""#, #""before":"now""#, #""matches_day":"02-29""#,
        ], [#""eq":1"#, #""ne":true"#, #""gte":1"#, #""contains":1"#, #""in":["a",1]"#]
      ),
      (
        .number, [#""eq":1.5"#, #""gt":-1"#, #""in":[1,2]"#, #""between":[1,2]"#],
        [
          #""eq":"1""#, #""gte":"abc""#, #""eq":true"#, #""contains":1"#, #""starts_with":"1""#,
          #""after":{"ago":"7d"}"#, #""matches_day":"today""#,
        ]
      ),
      (
        .integer, [#""eq":2.0"#, #""gte":1.5"#, #""not_in":[1]"#],
        [#""eq":1.5"#, #""in":[1.5]"#, #""lt":"1""#]
      ),
      (
        .boolean, [#""eq":true"#, #""in":[true,false]"#],
        [#""eq":"true""#, #""eq":1"#, #""gt":0"#, #""before":"now""#]
      ),
      (
        .date,
        [
          #""eq":"2026-01-31""#, #""gte":"2026-01-31""#, #""lt":"2026-01-31T00:00:00Z""#,
          #""before":"now""#, #""after":{"ago":"7d"}"#, #""matches_day":{"days_from_now":7}"#,
          #""starts_with":"2026-""#,
        ],
        [
          #""eq":"soon""#, #""eq":"2026-02-30""#, #""eq":"2026-01-31T00:00:00Z""#, #""gt":"-7d""#,
          #""eq":20260131"#, #""between":["a","b"]"#,
        ]
      ),
      (
        .instant,
        [
          #""eq":"2026-01-31T10:00:00+08:00""#, #""gte":"2026-01-31""#, #""before":"2026-01-31""#,
          #""after":{"ahead":"7d"}"#,
        ],
        [#""eq":"2026-01-31""#, #""lte":"later""#, #""gt":1700000000"#]
      ),
      (
        .array, [#""contains":"x""#, #""contains":1"#, #""contains":true"#],
        [#""eq":"x""#, #""gt":1"#, #""starts_with":"x""#, #""before":"now""#]
      ),
      (.object, [], [#""eq":"x""#, #""contains":"x""#, #""lt":1"#]),
    ] as [(ValueType, [String], [String])])
  func kinds(type: ValueType, good: [String], bad: [String]) throws {
    for origin in [KnownType.Origin.declared, .seen] {
      for comparison in good + [#""exists":true"#, #""exists":false"#] {
        let found = try faults(of: #"{"attribute":"a",\#(comparison)}"#) { _ in
          KnownType(type, origin)
        }
        #expect(found.isEmpty, "\(type) \(comparison)")
      }
      for comparison in bad {
        let text = #"{"attribute":"a",\#(comparison)}"#
        #expect(
          try faults(of: text) { _ in KnownType(type, origin) }.first?.code == .typeMismatch,
          "\(type) \(comparison)")
        #expect(try faults(of: text) { _ in nil }.isEmpty)
      }
    }
  }

  @Test("a value that is none of the choices is a fault of its own; every choice passes")
  func choices() throws {
    let known = KnownType(.string, .declared, name: "choice", choices: ["growth", "mature"])
    func found(_ comparison: String) throws -> [String] {
      try faults(of: #"{"tag":"lifecycle",\#(comparison)}"#) { _ in known }
        .map { "\($0.code.rawValue) \($0.pointer)" }
    }
    for good in [
      #""eq":"growth""#, #""not_in":["mature","growth"]"#, #""exists":true"#,
      #""starts_with":"gr""#,
    ] { #expect(try found(good).isEmpty) }
    #expect(try found(#""eq":"nochoice""#) == ["invalid_choice /eq"])
    #expect(try found(#""ne":"Growth""#) == ["invalid_choice /ne"])
    #expect(
      try found(#""in":["mature","gone",3]"#) == ["invalid_choice /in/1", "type_mismatch /in/2"])
  }

  @Test("the sentence says what is known, and what was given")
  func words() throws {
    func sentence(_ text: String, _ known: KnownType) throws -> String? {
      try faults(of: text) { _ in known }.first?.detail
    }
    #expect(
      try sentence(#"{"attribute":"agey","gte":"abc"}"#, KnownType(.number, .declared))
        == "The attribute 'agey' is declared as number; this is a string.")
    #expect(
      try sentence(
        #"{"event":"paid","where":[{"property":"amount","eq":"1"}]}"#, KnownType(.number, .seen))
        == "The property 'amount' of the event 'paid' was seen as number only; this is a string.")
    #expect(
      try sentence(#"{"attribute":"born","eq":"soon"}"#, KnownType(.date, .declared))
        == "The attribute 'born' is declared as date; this string is none.")
    #expect(
      try sentence(#"{"attribute":"agey","before":"now"}"#, KnownType(.number, .seen))
        == "The attribute 'agey' was seen as number only; "
        + "'before' is for days and instants, which are strings.")
    #expect(
      try sentence(
        #"{"tag":"lifecycle","eq":"no"}"#,
        KnownType(.string, .declared, name: "choice", choices: ["a", "b"]))
        == "The tag 'lifecycle' takes one of 'a', 'b'; this is none of them.")
  }
}
