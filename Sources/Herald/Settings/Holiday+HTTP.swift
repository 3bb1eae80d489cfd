import JSON

extension Holiday {
  /// The longest that nothing marketing goes out.
  private static let longest = 62

  init?(_ reader: ObjectReader) {
    let name = reader.string("name", required: true, minLength: 1, maxLength: 100)
    let from = Self.day("from", reader)
    let through = Self.day("through", reader)
    if let from, let through {
      if through < from {
        reader.add(.outOfRange, "through", "A holiday must not end before it begins.")
      } else if through.daysSince1970 - from.daysSince1970 >= Self.longest {
        reader.add(.outOfRange, "through", "A holiday has \(Self.longest) days at most.")
      }
    }
    reader.finish()
    guard let name, let from, let through else { return nil }
    self.init(name: name, from: from, through: through)
  }

  private static func day(_ key: String, _ reader: ObjectReader) -> CivilDay? {
    guard let text = reader.string(key, required: true, maxLength: 10) else { return nil }
    if let day = CivilDay(text) { return day }
    reader.add(.invalidFormat, key, "A day such as 2026-10-01 is expected here.")
    return nil
  }

  var json: JSONValue {
    [
      "name": .string(name), "from": .string(from.description),
      "through": .string(through.description),
    ]
  }

  static let schema = Schema.object([
    "name": Schema.text(1...100), "from": Schema.date, "through": Schema.date,
  ])
}
