import JSON

extension PlanGuard {
  static let hour = TimeSpan(seconds: 3600) ?? .maximum
  /// As long as minutes are kept.
  static let longest = TimeSpan(seconds: 6 * 3600) ?? .maximum
  private static let shortest = TimeSpan(seconds: 60) ?? .maximum

  init(_ reader: ObjectReader) {
    self.init()
    audienceGrowth = Self.share("audience_growth", upTo: 100, reader)
    errorRate = Self.share("error_rate", upTo: 1, reader)
    unsubscribeRate = Self.share("unsubscribe_rate", upTo: 1, reader)
    if let span = reader.duration("within", range: Self.shortest...Self.longest) { within = span }
    if let least = reader.int("min_deliveries", range: 1...1_000_000) { minDeliveries = least }
    reader.finish()
  }

  private static func share(_ key: String, upTo limit: Double, _ reader: ObjectReader) -> Double? {
    if reader.isNull(key) {
      reader.allow(key)
      return nil
    }
    return reader.double(key, range: 0...limit)
  }

  var json: JSONValue {
    [
      "audience_growth": audienceGrowth.map(JSONValue.double) ?? .null,
      "error_rate": errorRate.map(JSONValue.double) ?? .null,
      "unsubscribe_rate": unsubscribeRate.map(JSONValue.double) ?? .null,
      "within": .string(within.description), "min_deliveries": .int(minDeliveries),
    ]
  }

  static func schema(optional: Bool) -> JSONValue {
    let mark = optional ? "?" : ""
    func share(_ limit: Int) -> JSONValue {
      Schema.nullable(["type": "number", "minimum": 0, "maximum": .int(limit)])
    }
    return Schema.object([
      "audience_growth" + mark: share(100), "error_rate" + mark: share(1),
      "unsubscribe_rate" + mark: share(1), "within" + mark: Schema.duration,
      "min_deliveries" + mark: Schema.integer(1...1_000_000),
    ])
  }
}

extension StoredPause {
  var json: JSONValue {
    [
      "at": .instant(at), "version": .int(version), "reason": .string(pause.reason.rawValue),
      "detail": .string(pause.detail), "values": pause.values, "in_flight": .int(inFlight),
    ]
  }

  static let schema = Schema.object([
    "at": Schema.instant, "version": Schema.count,
    "reason": Schema.choice(PlanGuard.Reason.allCases.map(\.rawValue)), "detail": Schema.string,
    "values": Schema.map(Schema.number), "in_flight": Schema.count,
  ])
}
