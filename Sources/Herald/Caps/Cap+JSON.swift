import JSON

extension Cap {
  /// Nil, with faults, when it is not good. Whoever has the reader finishes it.
  init?(key: String, _ reader: ObjectReader) {
    let scope = Scope(reader)
    let limit = reader.int("limit", required: !reader.has("gap"), range: Self.limits)
    let span = CapSpan(reader, required: !reader.has("gap"))
    let gap = reader.duration("gap", range: Self.spans)
    if reader.has("gap") {
      for member in ["limit", "per"] where reader.has(member) {
        reader.add(
          "invalid", member, "A cap has either 'limit' and 'per', or 'gap'; leave one out.")
      }
    }
    guard let scope else { return nil }
    self.key = key
    self.scope = scope
    if let gap {
      rule = .gap(gap)
    } else if let limit, let span {
      rule = .limit(limit, per: span)
    } else {
      return nil
    }
  }

  /// Caps look back no further than their uses are kept.
  static let spans: ClosedRange<TimeSpan> = {
    let least = TimeSpan(seconds: 1) ?? .maximum
    return least...(TimeSpan(seconds: longest * 86_400) ?? .maximum)
  }()

  var json: JSONValue {
    var object: JSONObject = ["scope": scope.json]
    switch rule {
    case .limit(let limit, let span):
      object["limit"] = .int(limit)
      object["per"] = span.json
    case .gap(let gap): object["gap"] = .string(gap.description)
    }
    return .object(object)
  }

  static let request = Schema.object([
    "scope": scopeSchema, "limit?": Schema.integer(limits), "per?": spanSchema,
    "gap?": Schema.duration,
  ])

  static let schema = Schema.object([
    "key": Schema.key, "scope": scopeSchema, "limit?": Schema.integer(limits), "per?": spanSchema,
    "gap?": Schema.duration, "version": Schema.count, "created_at": Schema.instant,
    "updated_at": Schema.instant,
  ])

  private static let scopeSchema = Schema.oneOf([
    Schema.choice(["all"]),
    Schema.object(["channel": Schema.choice(Channel.allCases.map(\.rawValue))]),
    Schema.object(["category": Schema.text(1...64)]),
  ])
  private static let spanSchema = Schema.oneOf([
    Schema.duration,
    Schema.object([
      "calendar": Schema.choice(CapSpan.Unit.allCases.map(\.rawValue)), "zone?": Schema.string,
    ]),
  ])
}

extension StoredCap {
  var json: JSONValue {
    var object: JSONObject = ["key": .string(cap.key)]
    for (name, value) in cap.json.objectValue?.members ?? [] { object[name] = value }
    object["version"] = .int(version)
    object["created_at"] = .instant(createdAt)
    object["updated_at"] = .instant(updatedAt)
    return .object(object)
  }
}

extension Cap.Scope {
  fileprivate init?(_ parent: ObjectReader) {
    guard let value = parent.value("scope", required: true) else { return nil }
    if case .string(let text) = value {
      guard text == "all" else {
        parent.add(
          .invalidChoice, "scope",
          "'all', {\"channel\": …} or {\"category\": …} is expected here.")
        return nil
      }
      self = .all
      return
    }
    guard let reader = parent.object("scope") else { return nil }
    let channel = reader.choice("channel", Channel.self)
    let category = reader.string("category", minLength: 1, maxLength: 64)
    if reader.has("channel") == reader.has("category") {
      parent.add(.required, "scope", "Exactly one of 'channel' and 'category' is expected here.")
    }
    reader.finish()
    if let channel {
      self = .channel(channel)
    } else if let category {
      self = .category(category)
    } else {
      return nil
    }
  }

  var json: JSONValue {
    switch self {
    case .all: "all"
    case .channel(let channel): ["channel": .string(channel.rawValue)]
    case .category(let category): ["category": .string(category)]
    }
  }
}

extension CapSpan {
  fileprivate init?(_ parent: ObjectReader, required: Bool) {
    guard let value = parent.value("per", required: required) else { return nil }
    guard case .object = value else {
      guard let span = parent.duration("per", range: Cap.spans) else { return nil }
      self = .rolling(span)
      return
    }
    guard let reader = parent.object("per") else { return nil }
    let unit = reader.choice("calendar", Unit.self, required: true)
    let zone = reader.string("zone", maxLength: 64) ?? "user"
    if zone != "user", !TimeZones.isKnown(zone) {
      reader.add(
        .invalidFormat, "zone", "'user' or an IANA zone such as Asia/Shanghai is expected here.")
    }
    reader.finish()
    guard let unit else { return nil }
    self = .calendar(unit, zone: zone == "user" ? nil : zone)
  }

  var json: JSONValue {
    switch self {
    case .rolling(let span): .string(span.description)
    case .calendar(let unit, let zone):
      ["calendar": .string(unit.rawValue), "zone": .string(zone ?? "user")]
    }
  }
}
