import JSON
import Testing

@Suite("JSON scanner")
struct JSONScannerTests {
  @Test("values keep their number texts and member order")
  func keeps() throws {
    let text = #"{"b":1.50,"a":[true,false,null,"x\u00e9\ud83d\udc4b\n"],"c":{}}"#
    let value = try JSONScanner.parse(text)
    #expect(value.objectValue?.keys == ["b", "a", "c"])
    #expect(value["b"]?.numberValue?.text == "1.50")
    #expect(value["a"]?.arrayValue?.last == "xé👋\n")
    #expect(value.text == #"{"b":1.50,"a":[true,false,null,"xé👋\n"],"c":{}}"#)
  }

  @Test(
    "faults point at their place",
    arguments: [
      (#"{"a":[1,{"b":tru}]}"#, "invalid_json", "/a/1/b"),
      (#"{"a":{"k":1,"k":2}}"#, "duplicate_key", "/a/k"),
      (#"{"a":{"k":1,"\u006b":2}}"#, "duplicate_key", "/a/k"),
      (#"["\u0000"]"#, "invalid_text", "/0"),
      (#"["\ud800"]"#, "invalid_text", "/0"),
      (#"[1e400]"#, "out_of_range", "/0"),
      (#"[99e307]"#, "out_of_range", "/0"),
      (#"[1e-324]"#, "out_of_range", "/0"), (#"[1e-400]"#, "out_of_range", "/0"),
      (#"[0.0000000000000001e-308]"#, "out_of_range", "/0"),
      (#"[NaN]"#, "invalid_json", "/0"),
      (#"[01]"#, "invalid_json", "/0"),
      (#"[1,]"#, "invalid_json", ""),
      ("", "invalid_json", ""),
      ("{} x", "invalid_json", ""),
      ("\u{FEFF}{}", "invalid_json", ""),
    ])
  func faults(text: String, code: String, pointer: String) {
    let fault = #expect(throws: JSONFault.self) { try JSONScanner.parse(text) }
    #expect(fault?.code.rawValue == code)
    #expect(fault?.pointer.description == pointer)
  }

  @Test("the detail names byte, line and column")
  func place() {
    let fault = #expect(throws: JSONFault.self) { try JSONScanner.parse("{\n  \"a\": x}") }
    #expect(fault?.detail.hasSuffix("(byte 9, line 2, column 8).") == true)
  }

  @Test("40 digits pass, 41 do not; zeros count")
  func digits() throws {
    _ = try JSONScanner.parse(String(repeating: "1", count: 40))
    _ = try JSONScanner.parse("-0." + String(repeating: "0", count: 39))
    #expect(throws: JSONFault.self) { try JSONScanner.parse(String(repeating: "1", count: 41)) }
    #expect(throws: JSONFault.self) {
      try JSONScanner.parse("0." + String(repeating: "0", count: 40))
    }
  }

  @Test("32 levels pass, 33 do not, and 100,000 brackets do not reach the stack's end")
  func depth() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try JSONScanner.parse(nested(32))
    for hostile in [nested(33), String(repeating: "[", count: 100_000)] {
      let fault = #expect(throws: JSONFault.self) { try JSONScanner.parse(hostile) }
      #expect(fault?.code == .tooComplex)
    }
    let objects = String(repeating: #"{"a":"#, count: 100_000)
    var cursor = JSONCursor(Array(objects.utf8))
    #expect(throws: JSONFault.self) { try cursor.skipValue() }
  }

  @Test("objects may have as many members as the limit says, however large it is")
  func members() throws {
    func object(_ count: Int) -> String {
      "{" + (0..<count).map { "\"k\($0)\":0" }.joined(separator: ",") + "}"
    }
    #expect(try JSONScanner.parse(object(10_000)).objectValue?.count == 10_000)
    #expect(throws: JSONFault.self) { try JSONScanner.parse(object(10_001)) }
    // Quadratic search of duplicates would take hours here.
    let limits = JSONLimits(members: 1_000_000)
    #expect(
      try JSONScanner.parse(object(1_000_000), limits: limits).objectValue?.count == 1_000_000)
  }

  @Test("a long string, valid or not, is read whole")
  func longString() throws {
    let long = String(repeating: "é", count: 500_000)
    #expect(try JSONScanner.parse("\"\(long)\"").stringValue?.utf8.count == 1_000_000)
    #expect(throws: JSONFault.self) { try JSONScanner.parse("\"\(long)") }
  }

  @Test("every single changed or cut byte of a document is either refused or a document")
  func mutations() {
    let text = #"{"a":[1.5e3,"\u00e9é👋",true,null],"b":{"c":-0}}"#
    let bytes = Array(text.utf8)
    for index in bytes.indices {
      _ = try? JSONScanner.parse(Array(bytes[..<index]))
      for byte in UInt8.min...UInt8.max {
        var changed = bytes
        changed[index] = byte
        var cursor = JSONCursor(changed)
        let skips = (try? cursor.skipValue()) != nil && (try? cursor.end()) != nil
        let value = try? JSONScanner.parse(changed)
        #expect(skips == (value != nil))
        if let value { #expect((try? JSONScanner.parse(value.bytes)) == value) }
      }
    }
  }

  @Test("strings that differ only in Unicode form are different keys and values")
  func unicodeForms() throws {
    let value = try JSONScanner.parse("{\"é\":1,\"e\u{301}\":2}")
    #expect(value["é"]?.intValue == 1)
    #expect(value["e\u{301}"]?.intValue == 2)
    #expect(JSONValue.string("é") != JSONValue.string("e\u{301}"))
  }
}
