import JSON

extension ApprovalRule {
  static let maximum = 50

  init?(_ reader: ObjectReader) {
    let name = reader.string("name", required: true, minLength: 1, maxLength: 100)
    minAudience = reader.int("min_audience", range: 1...1_000_000_000)
    minCouponCost = reader.money("min_coupon_cost")
    messageClass = reader.choice("class", MessageClass.self)
    var channels: [Channel] = []
    for element in reader.array("channels", count: 1...Channel.allCases.count) ?? [] {
      guard let channel = element.value.stringValue.flatMap(Channel.init(rawValue:)) else {
        let known = Channel.allCases.map(\.rawValue).joined(separator: ", ")
        reader.faults.add(.invalidChoice, at: element.pointer, "One of \(known) is expected here.")
        continue
      }
      channels.append(channel)
    }
    self.channels = channels
    let elements = reader.array("stages", required: true, count: 1...5)
    stages = (elements ?? []).compactMap { element in
      ObjectReader(element.value, at: element.pointer, faults: reader.faults)
        .flatMap(ApprovalStage.init)
    }
    reader.finish()
    guard let name, !stages.isEmpty else { return nil }
    self.name = name
  }

  var json: JSONValue {
    var object: JSONObject = ["name": .string(name)]
    if let minAudience { object["min_audience"] = .int(minAudience) }
    if let minCouponCost { object["min_coupon_cost"] = minCouponCost.json }
    if let messageClass { object["class"] = .string(messageClass.rawValue) }
    if !channels.isEmpty {
      object["channels"] = .array(channels.map { .string($0.rawValue) })
    }
    object["stages"] = .array(stages.map(\.json))
    return .object(object)
  }

  static let schema = Schema.object([
    "name": Schema.text(1...100), "min_audience?": Schema.integer(1...1_000_000_000),
    "min_coupon_cost?": Schema.ref("Money"),
    "class?": Schema.choice(MessageClass.allCases.map(\.rawValue)),
    "channels?": [
      "type": "array", "minItems": 1, "maxItems": .int(Channel.allCases.count),
      "items": Schema.choice(Channel.allCases.map(\.rawValue)),
    ],
    "stages": [
      "type": "array", "minItems": 1, "maxItems": 5, "items": ApprovalStage.request,
    ],
  ])
}

extension ApprovalStage {
  init?(_ reader: ObjectReader) {
    let name = reader.string("name", required: true, minLength: 1, maxLength: 100)
    let approvers = reader.has("approvers") ? reader.int("approvers", range: 1...10) : 1
    let principals =
      reader.strings("principals", count: 1...50, minLength: 1, maxLength: 200) ?? []
    if let approvers, !principals.isEmpty, Set(principals).count < approvers {
      reader.add(
        .outOfRange, "principals",
        "The stage asks for \(approvers) approvers and names \(Set(principals).count) people.")
    }
    reader.finish()
    guard let name, let approvers else { return nil }
    self.name = name
    self.approvers = approvers
    self.principals = principals
  }

  var json: JSONValue {
    var object: JSONObject = ["name": .string(name), "approvers": .int(approvers)]
    if !principals.isEmpty { object["principals"] = .array(principals.map(JSONValue.string)) }
    return .object(object)
  }

  static let request = Schema.object([
    "name": Schema.text(1...100), "approvers?": Schema.integer(1...10),
    "principals?": [
      "type": "array", "minItems": 1, "maxItems": 50, "items": Schema.text(1...200),
    ],
  ])
}

extension ApprovalDemand {
  /// As it is stored.
  var json: JSONValue {
    guard case .object(var object) = measures else { return .null }
    object["stages"] = .array(stages.map(\.json))
    return .object(object)
  }

  /// What was looked at and which rules it met.
  var measures: JSONValue {
    [
      "people": .int(people), "coupon_cost": .array(couponCost.map(\.json)),
      "unpriced": .array(unpriced.map(JSONValue.string)),
      "rules": .array(
        matches.map { ["rule": .string($0.rule), "reason": .string($0.reason)] }),
    ]
  }

  /// As it was stored by `json`.
  init(stored json: JSONValue) throws {
    let faults = Faults()
    let stages = (json["stages"]?.arrayValue ?? []).compactMap {
      ObjectReader($0, faults: faults, nullIsAbsent: true).flatMap(ApprovalStage.init)
    }
    self.init(
      people: json["people"]?.intValue ?? 0,
      couponCost: (json["coupon_cost"]?.arrayValue ?? []).compactMap { money in
        guard let amount = money["amount"]?.stringValue,
          let currency = money["currency"]?.stringValue
        else { return nil }
        return Money(amount: amount, currency: currency)
      },
      unpriced: (json["unpriced"]?.arrayValue ?? []).compactMap(\.stringValue),
      matches: (json["rules"]?.arrayValue ?? []).map {
        Match(rule: $0["rule"]?.stringValue ?? "", reason: $0["reason"]?.stringValue ?? "")
      }, stages: stages)
    guard !stages.isEmpty else {
      throw HeraldError(.unexpected, "The stored stages of an approval cannot be read.")
    }
  }

  static let schema = Schema.object([
    "people": Schema.count, "coupon_cost": Schema.array(Schema.ref("Money")),
    "unpriced": Schema.array(Schema.key),
    "rules": Schema.array(Schema.object(["rule": Schema.string, "reason": Schema.string])),
  ])
}
