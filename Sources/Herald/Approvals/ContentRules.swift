import JSON

/// What messages must not say; a part of the settings.
public struct ContentRules: Sendable, Equatable {
  /// Found wherever they stand, in capitals or not.
  public var forbiddenWords: [String] = []

  public init() {}

  init(_ reader: ObjectReader) {
    self.init()
    let words = reader.strings("forbidden_words", count: 0...5000, minLength: 1, maxLength: 100)
    forbiddenWords = words ?? []
    reader.finish()
  }

  var json: JSONValue { ["forbidden_words": .array(forbiddenWords.map(JSONValue.string))] }

  static func schema(optional: Bool) -> JSONValue {
    Schema.object([
      "forbidden_words" + (optional ? "?" : ""): Schema.array(Schema.text(1...100), max: 5000)
    ])
  }
}
