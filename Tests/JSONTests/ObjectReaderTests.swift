import Foundation
import JSON
import Testing

@Suite("Object reader")
struct ObjectReaderTests {
  enum Color: String, CaseIterable { case red, green }

  func read(_ text: String, _ body: (ObjectReader) -> Void) throws -> [String] {
    let faults = Faults()
    let value = try JSONScanner.parse(text)
    let at = JSONPointer.root.appending("users").appending(3)
    if let reader = ObjectReader(value, at: at, faults: faults) { body(reader) }
    return faults.all.map { "\($0.code.rawValue) \($0.pointer)" }
  }

  @Test("every fault is collected, each with its place")
  func collects() throws {
    let found = try read(
      #"{"name":5,"age":"x","n":12,"on":1,"at":"2026-01-01","for":"1y","color":"blue","key":"A B","#
        + #""deep":{"extra":1},"list":[1,2],"nmae":1,"nothing":null}"#
    ) { reader in
      #expect(reader.string("name") == nil)
      #expect(reader.int("age") == nil)
      #expect(reader.int("n", range: 0...10) == nil)
      #expect(reader.bool("on") == nil)
      #expect(reader.instant("at") == nil)
      #expect(reader.duration("for") == nil)
      #expect(reader.choice("color", Color.self) == nil)
      #expect(reader.string("key", pattern: .key) == nil)
      reader.object("deep")?.finish()
      #expect(reader.array("list", count: 3...5) == nil)
      #expect(reader.string("missing", required: true) == nil)
      #expect(reader.string("nothing") == nil)
      reader.finish()
    }
    #expect(
      found == [
        "type_mismatch /users/3/name", "type_mismatch /users/3/age", "out_of_range /users/3/n",
        "type_mismatch /users/3/on", "invalid_format /users/3/at", "invalid_format /users/3/for",
        "invalid_choice /users/3/color", "invalid_format /users/3/key",
        "unknown_field /users/3/deep/extra", "out_of_range /users/3/list",
        "required /users/3/missing", "type_mismatch /users/3/nothing",
        "unknown_field /users/3/nmae",
      ])
  }

  @Test("good values come through without a fault")
  func good() throws {
    let found = try read(
      #"{"name":"李雷","age":3.0,"rate":0.5,"on":true,"at":"2026-01-01T00:00:00Z","for":"2w","#
        + #""color":"red","list":["a","b"],"deep":{"x":[]},"free":{"q":1},"skip":null}"#
    ) { reader in
      #expect(reader.string("name", required: true, minLength: 2, maxLength: 2) == "李雷")
      #expect(reader.int("age") == 3)
      #expect(reader.double("rate", range: 0...1) == 0.5)
      #expect(reader.bool("on") == true)
      #expect(reader.instant("at") == Date(timeIntervalSince1970: 1_767_225_600))
      #expect(reader.duration("for")?.seconds == 1_209_600)
      #expect(reader.choice("color", Color.self) == .red)
      #expect(reader.strings("list") == ["a", "b"])
      #expect(reader.object("deep")?.array("x")?.isEmpty == true)
      #expect(reader.value("free")?["q"]?.intValue == 1)
      #expect(reader.isNull("skip") && reader.has("skip"))
      reader.allow("skip")
      reader.finish()
    }
    #expect(found.isEmpty)
  }

  @Test("null is absent where the reader was told so")
  func nulls() throws {
    let faults = Faults()
    let value: JSONValue = ["a": .null, "b": .null]
    let reader = try #require(ObjectReader(value, faults: faults, nullIsAbsent: true))
    #expect(reader.string("a") == nil)
    #expect(reader.string("b", required: true) == nil)
    #expect(faults.all.map(\.code) == [.required])
  }

  @Test("an unknown field is told the name it resembles")
  func advice() throws {
    let faults = Faults()
    let reader = try #require(ObjectReader(["nmae": 1], faults: faults))
    _ = reader.string("name")
    reader.finish()
    #expect(faults.all.first?.detail == "'nmae' is no field of this object. Did you mean 'name'?")
  }

  @Test("a flood of faults is counted, not kept")
  func flood() throws {
    let faults = Faults(limit: 10)
    let members = (0..<5000).map { (key: "k\($0)", value: JSONValue.null) }
    ObjectReader(.object(JSONObject(members)), faults: faults)?.finish()
    #expect(faults.all.count == 10)
    #expect(faults.count == 5000)
  }
}
