import JSON

extension ProjectSettings {
  /// The whole document: what is left out is as it comes with Herald.
  init?(_ reader: ObjectReader) {
    self.init()
    if let zone = reader.string("time_zone", maxLength: 64) {
      if TimeZoneName.isValid(zone) {
        timeZone = zone
      } else {
        reader.add(.invalidFormat, "time_zone", "An IANA zone such as Asia/Shanghai is expected.")
      }
    }
    if let code = reader.string("region", maxLength: 2) {
      if PhoneRegion.all.contains(where: { $0.code == code }) {
        region = code
      } else {
        let codes = PhoneRegion.all.map(\.code).sorted().joined(separator: ", ")
        reader.add(.invalidChoice, "region", "One of \(codes) is expected here.")
      }
    }
    if let consents = reader.object("consents") {
      if let unknown = consents.object("unknown") {
        if let marketing = unknown.object("marketing") { unknownConsent = Self.read(marketing) }
        unknown.finish()
      }
      consents.finish()
    }
    if let retention = reader.object("retention") { self.retention = Retention(retention) }
    if let orders = reader.object("orders") { self.orders = OrderRule(orders) }
    globalHoldout = reader.double("global_holdout", range: 0...0.5) ?? 0
    holidays = reader.objects("holidays", count: 0...100, Holiday.init) ?? []
    if let approvals = reader.object("approvals") { self.approvals = ApprovalSettings(approvals) }
    if let content = reader.object("content") { self.content = ContentRules(content) }
    if let pause = reader.object("auto_pause") { autoPause = PlanGuard(pause) }
    if !reader.isNull("quiet_hours") {
      quietHours = reader.object("quiet_hours").flatMap(QuietHours.init)
    } else {
      reader.allow("quiet_hours")
    }
  }

  private static func read(_ reader: ObjectReader) -> UnknownConsent {
    var allowed = UnknownConsent.standard.allowed
    for channel in Channel.allCases {
      switch reader.choice(channel.rawValue, Permission.self) {
      case .allowed: allowed.insert(channel)
      case .notAllowed: allowed.remove(channel)
      case nil: break
      }
    }
    reader.finish()
    return UnknownConsent(allowed: allowed)
  }

  private enum Permission: String, CaseIterable {
    case allowed
    case notAllowed = "not_allowed"

    init(_ isAllowed: Bool) { self = isAllowed ? .allowed : .notAllowed }
  }

  /// As it was stored by `json`.
  init(stored json: JSONValue) throws {
    let faults = Faults()
    guard let reader = ObjectReader(json, faults: faults), let settings = Self(reader),
      faults.isEmpty
    else {
      throw HeraldError(
        .unexpected, "The stored settings cannot be read: \(faults.all.first?.description ?? "")")
    }
    self = settings
  }

  var json: JSONValue {
    let marketing = Channel.allCases.map { channel in
      (
        key: channel.rawValue,
        value: JSONValue.string(Permission(unknownConsent.allowed.contains(channel)).rawValue)
      )
    }
    return [
      "time_zone": .string(timeZone), "region": .string(region),
      "consents": ["unknown": ["marketing": .object(JSONObject(marketing))]],
      "quiet_hours": quietHours?.json ?? .null,
      "holidays": .array(holidays.map(\.json)), "retention": retention.json,
      "orders": orders.json, "approvals": approvals.json, "content": content.json,
      "auto_pause": autoPause.json, "global_holdout": .double(globalHoldout),
    ]
  }

  static let request = document(optional: true)
  static let schema = document(optional: false)

  private static func document(optional: Bool) -> JSONValue {
    let permission = Schema.choice([Permission.allowed, .notAllowed].map(\.rawValue))
    var marketing = JSONObject()
    for channel in Channel.allCases { marketing[channel.rawValue] = permission }
    var permissions: JSONObject = [
      "type": "object", "properties": .object(marketing), "additionalProperties": false,
    ]
    let consents: JSONValue
    if optional {
      consents = Schema.object(["unknown?": Schema.object(["marketing?": .object(permissions)])])
      return Schema.object([
        "time_zone?": Schema.text(1...64),
        "region?": Schema.choice(PhoneRegion.all.map(\.code)), "consents?": consents,
        "quiet_hours?": Schema.nullable(quietHoursRequest),
        "holidays?": Schema.array(Holiday.schema, max: 100),
        "retention?": Retention.schema(optional: true), "orders?": OrderRule.request,
        "global_holdout?": share,
        "approvals?": ApprovalSettings.schema(optional: true),
        "content?": ContentRules.schema(optional: true),
        "auto_pause?": PlanGuard.schema(optional: true),
      ])
    }
    permissions["required"] = .array(Channel.allCases.map { .string($0.rawValue) })
    consents = Schema.object(["unknown": Schema.object(["marketing": .object(permissions)])])
    return Schema.object([
      "time_zone": Schema.string, "region": Schema.string, "consents": consents,
      "quiet_hours": Schema.nullable(quietHours), "holidays": Schema.array(Holiday.schema),
      "retention": Retention.schema(optional: false), "orders": OrderRule.schema,
      "global_holdout": share,
      "approvals": ApprovalSettings.schema(optional: false),
      "content": ContentRules.schema(optional: false),
      "auto_pause": PlanGuard.schema(optional: false),
    ])
  }

  private static let share: JSONValue = [
    "type": "number", "minimum": 0, "maximum": .double(0.5),
  ]
  private static let timeOfDay: JSONValue = [
    "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
  ]
  private static let onHit = Schema.choice(QuietHours.OnHit.allCases.map(\.rawValue))
  private static let quietHours = Schema.object([
    "from": timeOfDay, "until": timeOfDay, "zone": Schema.string, "on_hit": onHit,
  ])
  private static let quietHoursRequest = Schema.object([
    "from": timeOfDay, "until": timeOfDay, "zone?": Schema.text(1...64), "on_hit?": onHit,
  ])
}

extension QuietHours {
  fileprivate var json: JSONValue {
    [
      "from": .string(Self.clock(from)), "until": .string(Self.clock(until)),
      "zone": .string(zone ?? "user"), "on_hit": .string(onHit.rawValue),
    ]
  }

  private static func clock(_ minutes: Int) -> String {
    let (hour, minute) = minutes.quotientAndRemainder(dividingBy: 60)
    return "\(hour < 10 ? "0" : "")\(hour):\(minute < 10 ? "0" : "")\(minute)"
  }
}

extension StoredSettings {
  var json: JSONValue {
    guard case .object(var object) = settings.json else { return .null }
    object["version"] = .int(version)
    object["updated_at"] = .instant(updatedAt)
    return .object(object)
  }
}
