/// A form that a string must have, with the words for saying so.
public struct TextPattern: Sendable {
  /// Completes "… is expected here", beginning with a capital.
  public let expectation: String
  /// The same as an ECMA 262 expression, for JSON Schema; nil when none says it.
  public let expression: String?
  let test: @Sendable (String) -> Bool

  public init(
    _ expectation: String, expression: String? = nil, _ test: @escaping @Sendable (String) -> Bool
  ) {
    self.expectation = expectation
    self.expression = expression
    self.test = test
  }

  public func matches(_ text: String) -> Bool { test(text) }

  /// The key of a named thing: `[a-z0-9_-]{1,64}`.
  public static let key = TextPattern(
    "A key of 1 to 64 lower-case letters, digits, '_' and '-'",
    expression: "^[a-z0-9_-]{1,64}$"
  ) { text in
    1...64 ~= text.utf8.count
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
