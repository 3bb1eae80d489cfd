import Conditions
import JSON
import Testing

/// The condition a text spells; fails the test when it spells none.
func condition(_ text: String) throws -> Condition {
  let faults = Faults()
  let condition = Condition.parse(try JSONScanner.parse(text), faults: faults)
  #expect(faults.all.isEmpty)
  return try #require(condition)
}

let example = #"""
  {"all": [
    {"attribute": "age", "between": [40, 60]},
    {"tag": "lifecycle", "in": ["growth", "mature"]},
    {"event": "order_paid", "count": {"gte": 2}, "within": "30d", "where": [{"property": "amount", "gte": 100}]},
    {"event": "order_paid", "sum": "amount", "gte": 500, "within": "90d"},
    {"not": {"event": "refund", "within": "7d"}},
    {"sequence": [{"event": "cart_added"}, {"event": "order_paid", "within": "2h", "same": "cart_id"}], "absent": "last"},
    {"any": [{"consent": "sms"}, {"reachable": "push"}]},
    {"segment": "vip"}, {"received": "plan_key", "within": "14d"}, {"bucket": [0, 999]}
  ]}
  """#

@Suite("Reading conditions")
struct ConditionParsingTests {
  @Test("the product page's example is read and written back")
  func product() throws {
    let parsed = try condition(example)
    #expect(try condition(parsed.json.text) == parsed)
    #expect(parsed.leaves.count == 11)
    let names = parsed.referenced
    #expect(names.segments == ["vip"])
    #expect(names.tags == ["lifecycle"])
    #expect(names.events == ["cart_added", "order_paid", "refund"])
    #expect(names.attributes == ["age"])
    #expect(names.plans == ["plan_key"])
    #expect(names.channels == ["push", "sms"])
  }

  @Test(
    "different spellings have one canonical form",
    arguments: [
      (#"{"tag":"vip"}"#, #"{"tag":"vip","exists":true}"#, #"{"tag":"vip"}"#),
      (
        #"{"event":"a"}"#, #"{"count":{"gte":1.0},"event":"a"}"#,
        #"{"event":"a","count":{"gte":1}}"#
      ),
      (
        #"{"event":"a","within":"2w"}"#, #"{"event":"a","within":"336h"}"#,
        #"{"event":"a","count":{"gte":1},"within":"14d"}"#
      ),
      (
        #"{"consent":"sms"}"#, #"{"is":"granted","consent":"sms"}"#,
        #"{"consent":"sms","is":"granted"}"#
      ),
      (
        #"{"bucket":[0,9]}"#, #"{"bucket":[0,9],"salt":"segment"}"#,
        #"{"bucket":[0,9],"salt":"segment"}"#
      ),
      (
        #"{"attribute":"a","lt":5,"gte":1.50}"#, #"{"gte":15e-1,"attribute":"a","lt":5.0}"#,
        #"{"attribute":"a","gte":1.5,"lt":5}"#
      ),
      (
        #"{"event":"a","within":{"last":{"days":7}}}"#,
        #"{"event":"a","within":{"last":{"zone":"user","days":7}}}"#,
        #"{"event":"a","count":{"gte":1},"within":{"last":{"days":7,"zone":"user"}}}"#
      ),
      (
        #"{"attribute":"b","matches_day":"today"}"#,
        #"{"attribute":"b","matches_day":{"days_from_now":0}}"#,
        #"{"attribute":"b","matches_day":"today"}"#
      ),
      (
        #"{"attribute":"b","before":"2026-01-01T08:00:00+08:00"}"#,
        #"{"attribute":"b","before":"2026-01-01T00:00:00.0000Z"}"#,
        #"{"attribute":"b","before":"2026-01-01T00:00:00.000Z"}"#
      ),
    ])
  func canonical(first: String, second: String, canonical: String) throws {
    #expect(try condition(first) == (try condition(second)))
    #expect(try condition(first).json.text == canonical)
    #expect(try condition(second).json.text == canonical)
    #expect(try condition(canonical) == (try condition(first)))
  }

  @Test(
    "every fault has its place",
    arguments: [
      ("5", ["type_mismatch "]),
      ("{}", ["required "]),
      (#"{"tag":"a","segment":"b"}"#, ["invalid_format "]),
      (
        #"{"all":[{"tag":"A"},{"nope":1},{"any":[]}]}"#,
        ["invalid_format /all/0/tag", "required /all/1", "out_of_range /all/2/any"]
      ),
      (#"{"attribute":"a"}"#, ["required "]),
      (
        #"{"attribute":"a","gte":true,"eq":null,"lt":[1],"bogus":1}"#,
        ["type_mismatch /eq", "type_mismatch /gte", "type_mismatch /lt", "unknown_field /bogus"]
      ),
      (#"{"attribute":"a","between":[2,1]}"#, ["out_of_range /between"]),
      (#"{"attribute":"a","between":["b","a"]}"#, ["out_of_range /between"]),
      (#"{"attribute":"a","between":[1,"2"]}"#, ["type_mismatch /between"]),
      (#"{"attribute":"a","in":[]}"#, ["out_of_range /in"]),
      (#"{"attribute":"a","in":[1,null]}"#, ["type_mismatch /in/1"]),
      (#"{"attribute":"a","matches_day":"02-30"}"#, ["invalid_format /matches_day"]),
      (#"{"attribute":"a","before":"2026-02-29"}"#, ["invalid_format /before"]),
      (#"{"attribute":"a","after":"infinity"}"#, ["invalid_format /after"]),
      (#"{"attribute":"a","contains":""}"#, ["out_of_range /contains"]),
      (
        #"{"event":"a","count":{"gte":"x"},"within":"30y"}"#,
        ["invalid_format /within", "type_mismatch /count/gte"]
      ),
      (#"{"event":"a","count":{},"within":"0s"}"#, ["out_of_range /within", "required /count"]),
      (#"{"event":"a","sum":"x"}"#, ["required "]),
      (#"{"event":"a","sum":"x","gte":1,"count":{"gte":1}}"#, ["invalid_format /count"]),
      (#"{"event":"a","gte":1}"#, ["unknown_field /gte"]),
      (
        #"{"event":"a","where":[{"gte":1},{"property":"p"}]}"#,
        ["required /where/0/property", "required /where/1"]
      ),
      (
        #"{"event":"a","within":{"last":{"days":0,"zone":"GMT+8"}}}"#,
        ["out_of_range /within/last/days", "invalid_format /within/last/zone"]
      ),
      (
        #"{"event":"a","within":{"last":{"days":1,"zone":"Nowhere/City"}}}"#,
        ["invalid_format /within/last/zone"]
      ),
      (#"{"sequence":[{"event":"a"}]}"#, ["out_of_range /sequence"]),
      (
        #"{"sequence":[{"event":"a","same":"x"},{"event":"b","within":{"last":{"days":1}}}],"absent":"first"}"#,
        [
          "invalid_choice /absent", "invalid_format /sequence/0/same",
          "invalid_format /sequence/1/within",
        ]
      ),
      (#"{"consent":"fax","is":"maybe"}"#, ["invalid_choice /consent", "invalid_choice /is"]),
      (#"{"bucket":[5,1]}"#, ["out_of_range /bucket"]),
      (#"{"bucket":[0,10000]}"#, ["out_of_range /bucket"]),
      (#"{"bucket":[0,1e300]}"#, ["out_of_range /bucket"]),
    ])
  func faults(text: String, expected: [String]) throws {
    let faults = Faults()
    let place = JSONPointer.root.appending("condition")
    #expect(Condition.parse(try JSONScanner.parse(text), at: place, faults: faults) == nil)
    let found = faults.all.map {
      "\($0.code.rawValue) \($0.pointer.description.dropFirst("/condition".count))"
    }
    #expect(found.sorted() == expected.sorted())
  }

  @Test("16 levels pass, 17 do not; 500 parts pass, 501 do not")
  func bounds() {
    func nested(_ levels: Int) -> JSONValue {
      (1..<levels).reduce(["tag": "a"]) { inner, _ in ["not": inner] }
    }
    func wide(_ parts: Int) -> JSONValue {
      ["all": .array(Array(repeating: ["tag": "a"], count: parts - 1))]
    }
    for (document, isFine) in [
      (nested(16), true), (nested(17), false), (wide(500), true), (wide(501), false),
    ] {
      let faults = Faults()
      #expect((Condition.parse(document, faults: faults) != nil) == isFine)
      #expect(faults.count == (isFine ? 0 : 1))
    }
  }

  @Test("which conditions time alone can change")
  func time() throws {
    for (text, expected) in [
      (#"{"event":"a","within":"1d"}"#, true), (#"{"event":"a"}"#, false), (#"{"tag":"a"}"#, true),
      (#"{"attribute":"a","matches_day":"today"}"#, true), (#"{"attribute":"a","eq":1}"#, false),
      (#"{"attribute":"a","before":"2026-01-01"}"#, false),
      (#"{"attribute":"a","before":{"ahead":"1d"}}"#, true),
      (#"{"sequence":[{"event":"a"},{"event":"b","within":"1h"}]}"#, false),
      (#"{"sequence":[{"event":"a"},{"event":"b","within":"1h"}],"absent":"last"}"#, true),
    ] {
      #expect(try condition(text).dependsOnTime == expected, "\(text)")
    }
  }
}
