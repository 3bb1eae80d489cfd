import JSON
import Testing

@Suite("JSON pointers")
struct JSONPointerTests {
  @Test("the examples of RFC 6901 section 5")
  func examples() throws {
    let document = try JSONScanner.parse(
      #"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#
    )
    let expected: [(String, JSONValue)] = [
      ("", document), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1),
      ("/c%d", 2), ("/e^f", 3), ("/g|h", 4), ("/i\\j", 5), ("/k\"l", 6), ("/ ", 7), ("/m~0n", 8),
    ]
    for (text, value) in expected {
      let pointer = try #require(JSONPointer(text))
      #expect(document[pointer] == value)
      #expect(pointer.description == text)
    }
    for text in ["/foo/2", "/foo/01", "/foo/-", "/nope", "/foo/0/x"] {
      #expect(document[try #require(JSONPointer(text))] == nil)
    }
  }

  @Test("what is no pointer is refused", arguments: ["a", "/~", "/~2", "/a~"])
  func malformed(text: String) { #expect(JSONPointer(text) == nil) }

  @Test("appending escapes")
  func appending() {
    #expect(JSONPointer.root.appending("a/b~c").appending(3).description == "/a~1b~0c/3")
  }
}
