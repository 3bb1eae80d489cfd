import JSON
import Testing

@Suite("JSON cursor")
struct JSONCursorTests {
  @Test("members are read key by key and slices keep their bytes")
  func members() throws {
    let text = #" {"name" : "paid", "properties":  { "n": [1, {"x":"}"}] } , "list":[1,2]} "#
    var cursor = JSONCursor(Array(text.utf8))
    var name: String?
    var slice: String?
    var numbers: [Int?] = []
    try cursor.openObject()
    while let key = try cursor.nextKey() {
      switch key {
      case "name": name = try cursor.string()
      case "list":
        try cursor.openArray()
        while try cursor.nextElement() { numbers.append(try cursor.number().intValue) }
      default: slice = String(decoding: cursor.bytes[try cursor.skipValue()], as: UTF8.self)
      }
    }
    try cursor.end()
    #expect(name == "paid")
    #expect(slice == #"{ "n": [1, {"x":"}"}] }"#)
    #expect(numbers == [1, 2])
  }

  @Test(
    "values are passed over by brackets and quotes alone",
    arguments: [
      (#"{"a":"]}\"","b":[{}]} ,1"#, #"{"a":"]}\"","b":[{}]}"#), (#""a\\" x"#, #""a\\""#),
      ("[1,[2]],", "[1,[2]]"), ("-1e5,2", "-1e5"), ("true]", "true"), ("{{]]x", "{{]]"),
    ])
  func unchecked(text: String, value: String) throws {
    var cursor = JSONCursor(Array(text.utf8))
    let range = try cursor.skipUnchecked()
    #expect(String(decoding: cursor.bytes[range], as: UTF8.self) == value)
    #expect(cursor.offset == range.upperBound)
  }

  @Test(
    "what never ends is not passed over",
    arguments: ["", "[", "{\"a\":1", "\"a", "\"a\\", "[\"]", "]"])
  func uncheckedEnd(text: String) {
    var cursor = JSONCursor(Array(text.utf8))
    #expect(throws: JSONFault.self) { try cursor.skipUnchecked() }
  }

  @Test("duplicate keys are found when their object closes, skipped ones too")
  func duplicates() throws {
    var cursor = JSONCursor(Array(#"{"a":1,"a":2}"#.utf8))
    try cursor.openObject()
    #expect(try cursor.nextKey() == "a")
    _ = try cursor.skipValue()
    #expect(try cursor.nextKey() == "a")
    _ = try cursor.skipValue()
    #expect(throws: JSONFault.self) { try cursor.nextKey() }

    let many = "{" + (0..<30).map { "\"k\($0 % 29)\":0" }.joined(separator: ",") + "}"
    var skipping = JSONCursor(Array(many.utf8))
    let fault = #expect(throws: JSONFault.self) { try skipping.skipValue() }
    #expect(fault?.code == .duplicateKey)
    #expect(fault?.pointer.description == "/k0")
  }

  @Test("a value of another kind is a type mismatch")
  func kinds() {
    var cursor = JSONCursor(Array("[1]".utf8))
    let fault = #expect(throws: JSONFault.self) { try cursor.openObject() }
    #expect(fault?.code == .typeMismatch)
  }

  @Test("a cursor beyond the end only reports faults")
  func beyond() {
    var cursor = JSONCursor([], from: 7)
    #expect(throws: JSONFault.self) { try cursor.value() }
    #expect(throws: JSONFault.self) { try cursor.nextElement() }
    #expect(throws: JSONFault.self) { try cursor.nextKey() }
  }
}
