import Conditions
import Foundation
import JSON

extension PlanDocument.Trigger {
  init?(_ reader: ObjectReader) {
    let kinds = ["event", "date", "api", "scene"].filter(reader.has)
    guard kinds.count <= 1 else {
      reader.add("invalid", kinds[1], "A trigger is of one kind: '\(kinds[0])' is given already.")
      return nil
    }
    let trigger: Self?
    switch kinds.first {
    case "event": trigger = EventTrigger(reader).map(Self.event)
    case "date": trigger = DateTrigger(reader).map(Self.date)
    case "scene": trigger = SceneTrigger(reader).map(Self.scene)
    case "api":
      if reader.bool("api") == false {
        reader.add(.invalidChoice, "api", "Only true makes sense here.")
      }
      trigger = .api
    default: trigger = Self.crowd(reader)
    }
    reader.finish()
    guard let trigger else { return nil }
    self = trigger
  }

  private static func crowd(_ reader: ObjectReader) -> Self? {
    let segment = reader.string("segment", required: true, pattern: .key)
    if reader.has("cron") {
      if reader.has("at") {
        reader.add("invalid", "at", "A crowd comes once ('at') or again and again ('cron').")
        reader.allow("at")
      }
      let recurrence = Recurrence(reader)
      guard let segment, let recurrence else { return nil }
      return .recurring(segment: segment, recurrence)
    }
    let at: Date? =
      reader.value("at", required: true) == "now" ? nil : reader.instant("at")
    guard let segment else { return nil }
    return .once(segment: segment, at: at)
  }
}

extension Recurrence {
  fileprivate init?(_ reader: ObjectReader) {
    let text = reader.string("cron", required: true, maxLength: 100)
    let schedule = text.flatMap(CronSchedule.init)
    if text != nil, schedule == nil {
      reader.add(.invalidFormat, "cron", CronSchedule.expectation)
    }
    let zone = reader.zone("zone", required: true)
    until = reader.instant("until")
    guard let schedule, let zone else { return nil }
    self.schedule = schedule
    self.zone = zone == "user" ? nil : zone
  }
}

extension CronSchedule {
  static let expectation =
    "Five fields are expected here, such as \"0 10 * * mon-fri\": minute (0-59), hour (0-23), day of the "
    + "month (1-31), month (1-12) and day of the week (0-7, mon-sun), of a day that there is."
}

extension EventTrigger {
  fileprivate init?(_ reader: ObjectReader) {
    let event = reader.string("event", required: true, minLength: 1, maxLength: 200)
    filters = PropertyCondition.list(reader)
    occurrence = reader.choice("occurrence", Occurrence.self) ?? .any
    unless = reader.object("unless").flatMap(Unless.init)
    delay = reader.duration("delay", range: TimeSpan.positive)
    guard let event else { return nil }
    self.event = event
  }
}

extension EventTrigger.Unless {
  fileprivate init?(_ reader: ObjectReader) {
    let event = reader.string("event", required: true, minLength: 1, maxLength: 200)
    let within = reader.duration("within", required: true, range: TimeSpan.positive)
    filters = PropertyCondition.list(reader)
    same = reader.string("same", minLength: 1, maxLength: 128)
    reader.finish()
    guard let event, let within else { return nil }
    self.event = event
    self.within = within
  }
}

extension DateTrigger {
  fileprivate init?(_ reader: ObjectReader) {
    let origin: Origin?
    if case .object? = reader.object["date"] {
      origin = reader.object("date").flatMap(Self.event)
      if reader.has("repeat") {
        reader.add("invalid", "repeat", "Events do not come round; leave 'repeat' out.")
        reader.allow("repeat")
      }
    } else {
      let key = reader.string("date", required: true, minLength: 1, maxLength: 128)
      let isYearly = (reader.choice("repeat", Repeat.self) ?? .yearly) == .yearly
      origin = key.map { .attribute($0, isYearly: isYearly) }
    }
    let offset = reader.days("offset")
    let at = reader.string("at", required: true, pattern: .timeOfDay)
    let zone = reader.zone("zone") ?? "user"
    guard let origin, let minute = at.flatMap(QuietHours.minutes) else { return nil }
    self.origin = origin
    offsetDays = offset ?? 0
    recurrence = Recurrence(
      schedule: CronSchedule(dailyAt: minute), zone: zone == "user" ? nil : zone, until: nil)
  }

  private static func event(_ reader: ObjectReader) -> Origin? {
    let name = reader.string("event", required: true, minLength: 1, maxLength: 200)
    let filters = PropertyCondition.list(reader)
    let pick = reader.choice("pick", Pick.self) ?? .last
    reader.finish()
    return name.map { .event($0, filters: filters, pick: pick) }
  }
}

extension SceneTrigger {
  fileprivate init?(_ reader: ObjectReader) {
    let scene = reader.string("scene", required: true, minLength: 1, maxLength: 128)
    filters = PropertyCondition.list(reader)
    match = reader.objects("match", count: 1...10, Match.init) ?? []
    segment = reader.string("segment", pattern: .key)
    if !reader.has("match"), !reader.has("segment") {
      reader.add(
        .required, "match",
        "Whom the scene concerns is missing: 'match' (properties of the scene that people share) "
          + "or 'segment'.")
    }
    guard let scene else { return nil }
    self.scene = scene
  }
}

extension SceneTrigger.Match {
  fileprivate init?(_ reader: ObjectReader) {
    let property = reader.string("property", required: true, minLength: 1, maxLength: 128)
    let kinds = ["attribute", "tag", "event"].filter(reader.has)
    let place: Place?
    switch kinds.first {
    case "attribute":
      place = reader.string("attribute", minLength: 1, maxLength: 128).map(Place.attribute)
    case "tag": place = reader.string("tag", pattern: .key).map(Place.tag)
    case "event":
      let event = reader.string("event", minLength: 1, maxLength: 200)
      let theirs = reader.string("event_property", minLength: 1, maxLength: 128) ?? property
      let within = reader.duration("within", range: TimeSpan.positive)
      place = event.flatMap { event in
        theirs.map { .event(event, property: $0, within: within) }
      }
    default:
      reader.add(
        .required, "attribute",
        "What of a person the property is compared with: 'attribute', "
          + "'tag' or 'event'.")
      place = nil
    }
    reader.finish()
    guard let property, let place else { return nil }
    self.property = property
    self.place = place
  }
}

extension Reentry {
  init?(_ reader: ObjectReader) {
    let limit = reader.int("limit", required: true, range: 1...1000)
    if case .object? = reader.object["per"] {
      per = reader.object("per").flatMap(Period.init)
    } else {
      per = reader.duration("per", range: TimeSpan.positive).map(Period.rolling)
    }
    key = reader.string("key", minLength: 1, maxLength: 128)
    reader.finish()
    guard let limit else { return nil }
    self.limit = limit
  }
}

extension Reentry.Period {
  fileprivate init?(_ reader: ObjectReader) {
    let unit = reader.choice("calendar", Unit.self, required: true)
    let zone = reader.zone("zone") ?? "user"
    reader.finish()
    guard let unit else { return nil }
    self = .calendar(unit, zone: zone == "user" ? nil : zone)
  }
}

extension ObjectReader {
  /// `user` or an IANA zone.
  fileprivate func zone(_ key: String, required: Bool = false) -> String? {
    guard let zone = string(key, required: required, maxLength: 64) else { return nil }
    guard zone == "user" || TimeZones.isKnown(zone) else {
      add(
        .invalidFormat, key, "'user' or an IANA zone such as Asia/Shanghai is expected here.")
      return nil
    }
    return zone
  }

  /// Whole days, such as `365d`, `-7d` or `2w`.
  fileprivate func days(_ key: String) -> Int? {
    guard let text = string(key, maxLength: 16) else { return nil }
    let isNegative = text.hasPrefix("-")
    guard let span = TimeSpan(isNegative ? String(text.dropFirst()) : text),
      span.seconds % 86_400 == 0
    else {
      add(.invalidFormat, key, "Whole days are expected here, such as 365d, or -7d for before.")
      return nil
    }
    return (isNegative ? -1 : 1) * span.seconds / 86_400
  }
}
