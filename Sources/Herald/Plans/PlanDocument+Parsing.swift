import Conditions
import Foundation
import JSON

extension PlanDocument {
  /// Reads a plan document, noting every fault with its place. Whether what it names exists is
  /// checked by `Plans`, which has the database.
  public static func parse(_ value: JSONValue, faults: Faults) -> PlanDocument? {
    guard let reader = ObjectReader(value, faults: faults) else { return nil }
    let name = reader.string("name", required: true, minLength: 1, maxLength: 200)
    let goals = reader.objects("goals", count: 0...4, Goal.init) ?? []
    if goals.filter(\.primary).count > 1 {
      reader.add("invalid", "goals", "Only one goal can be the primary one.")
    }
    let messageClass = reader.choice("class", MessageClass.self) ?? .marketing
    let category = reader.string("category", minLength: 1, maxLength: 64)
    let priority = reader.int("priority", range: 0...100) ?? 50
    let trigger = reader.object("trigger", required: true).flatMap(Trigger.init)
    let audience = reader.value("audience").flatMap {
      Condition.parse($0, at: reader.pointer.appending("audience"), faults: faults)
    }
    let reentry = reader.object("reentry").flatMap(Reentry.init)
    if let trigger, !trigger.isStream, reader.has("reentry") {
      reader.add(
        "invalid", "reentry", "Only a plan with an event or API trigger can be entered again.")
    }
    let window = reader.object("window").flatMap(Window.init)
    let steps = StepParser(reader).steps()
    let experiment = reader.object("experiment").flatMap {
      // Nothing that only a crowd's must have is asked of a trigger that cannot be read.
      Experiment($0, steps: steps, isStream: trigger?.isStream ?? true)
    }
    let holdout = reader.double("holdout", range: 0...0.5) ?? 0
    if messageClass == .transactional, holdout > 0 {
      reader.add("invalid", "holdout", "A transactional plan has no holdout; leave it out.")
    }
    let limits = reader.object("limits").flatMap(Limits.init) ?? .none
    let quietHours = reader.object("quiet_hours").flatMap(QuietHours.init)
    if messageClass == .transactional, reader.has("quiet_hours") {
      reader.add(
        "invalid", "quiet_hours", "A transactional plan knows no quiet hours; leave them out.")
    }
    let pressure = reader.object("pressure").flatMap(Pressure.init) ?? Pressure()
    if messageClass == .transactional, reader.has("pressure") {
      reader.add(
        "invalid", "pressure", "A transactional plan knows no caps; leave 'pressure' out.")
    }
    if pressure.reserve != nil, let trigger, !trigger.isScheduled {
      faults.add(
        "invalid", at: reader.pointer.appending("pressure").appending("reserve"),
        "Only a crowd at an instant or on a cron can hold slots in advance.")
    }
    let exit = reader.object("exit").flatMap(Exit.init) ?? .never
    if exit.onGoal, goals.isEmpty, !reader.has("goals") {
      faults.add(
        .required, at: reader.pointer.appending("exit").appending("on_goal"),
        "People can leave by a goal only when the plan has 'goals'.")
    }
    reader.finish()
    for (key, _) in limits.coupons
    where !steps.flatMap(\.chain).contains(where: { $0.coupon == key }) {
      faults.add(
        "unknown_coupon", at: JSONPointer(tokens: ["limits", "coupons", key]),
        "No step of this plan issues the coupon '\(key)'.")
    }
    // Without a name, what the plan refers to can be checked all the same.
    guard let trigger else { return nil }
    return PlanDocument(
      name: name ?? "", goals: goals, messageClass: messageClass, category: category,
      priority: priority,
      trigger: trigger, audience: audience, reentry: reentry, window: window, steps: steps,
      experiment: experiment, holdout: holdout, limits: limits, quietHours: quietHours,
      pressure: pressure, exit: exit)
  }

  /// A document that was checked before it was stored.
  static func stored(_ value: JSONValue) throws -> PlanDocument {
    let faults = Faults()
    guard let document = parse(value, faults: faults), faults.isEmpty else {
      throw HeraldError(
        .unexpected, "A stored plan cannot be read: \(faults.all.first?.description ?? "")")
    }
    return document
  }
}

extension PlanDocument.Goal {
  init?(_ reader: ObjectReader) {
    let stage = reader.choice("stage", Stage.self, required: true)
    let event = reader.string("event", required: true, minLength: 1, maxLength: 200)
    let within = reader.duration("within", required: true, range: TimeSpan.positive)
    primary = reader.bool("primary") ?? false
    targetRate = reader.double("target_rate", range: 0...1)
    reader.finish()
    guard let stage, let event, let within else { return nil }
    self.stage = stage
    self.event = event
    self.within = within
  }
}

extension PlanDocument.Window {
  init?(_ reader: ObjectReader) {
    from = reader.instant("from")
    until = reader.instant("until")
    if let from, let until, from >= until {
      reader.add(.outOfRange, "until", "The window must end after it begins.")
    }
    reader.finish()
  }

  func contains(_ instant: Date) -> Bool {
    (from.map { $0 <= instant } ?? true) && (until.map { instant < $0 } ?? true)
  }
}

extension PlanDocument.Limits {
  static let none = PlanDocument.Limits(
    audience: nil, perMinute: nil, coupons: [:], allowPartialStock: false)

  init?(_ reader: ObjectReader) {
    audience = reader.int("audience", range: 1...1_000_000_000)
    perMinute = reader.int("per_minute", range: 1...100_000_000)
    allowPartialStock = reader.bool("allow_partial_stock") ?? false
    var coupons: [String: Int] = [:]
    if let object = reader.object("coupons") {
      for key in object.object.keys {
        coupons[key] = object.int(key, range: 1...1_000_000_000)
      }
      object.finish()
    }
    self.coupons = coupons
    reader.finish()
  }
}

extension PlanDocument.Link {
  init?(_ reader: ObjectReader) {
    let channel = reader.choice("channel", Channel.self, required: true)
    template = reader.string(
      "template", required: channel != .coupon && channel != nil, pattern: .key)
    coupon = reader.string("coupon", required: channel == .coupon, pattern: .key)
    if channel == .coupon, reader.has("template") {
      reader.add("invalid", "template", "A coupon link names a coupon, not a template.")
    }
    if let channel, channel != .coupon, reader.has("coupon") {
      reader.add("invalid", "coupon", "Only a link of channel 'coupon' names a coupon.")
    }
    after = reader.duration("after", range: TimeSpan.positive)
    unless = reader.choice("unless", WaitedFor.self).flatMap {
      Receipt.Event(rawValue: $0.rawValue)
    }
    if reader.has("after") != reader.has("unless") {
      reader.add(
        .required, reader.has("after") ? "unless" : "after",
        "'after' and 'unless' go together: how long to wait, and for which receipt.")
    }
    reader.finish()
    guard let channel else { return nil }
    index = reader.pointer.tokens.last.flatMap { Int($0) } ?? 0
    self.channel = channel
  }

  /// The receipts that make the next link needless.
  private enum WaitedFor: String, CaseIterable {
    case delivered, opened, clicked
  }

  /// The one link of a webhook step.
  init(webhook template: String) {
    index = 0
    channel = .webhook
    self.template = template
    coupon = nil
    after = nil
    unless = nil
  }

  /// `chain` lacks links that could not be read; `length` counts them.
  static func check(
    _ chain: [PlanDocument.Link], length: Int, of step: JSONPointer, faults: Faults
  ) {
    let place = step.appending("send").appending("chain")
    if let first = chain.first, first.index == 0, first.after != nil {
      faults.add(
        "invalid", at: place.appending(0).appending("after"),
        "The first link of a chain follows nothing; leave 'after' and 'unless' out.")
    }
    for link in chain where link.channel == .coupon && link.index + 1 < length {
      faults.add(
        "invalid", at: place.appending(link.index),
        "A coupon is the last link of its chain: nothing follows its issue.")
    }
  }
}

extension QuietHours {
  init?(_ reader: ObjectReader) {
    let from = reader.string("from", required: true, pattern: .timeOfDay)
    let until = reader.string("until", required: true, pattern: .timeOfDay)
    let zone = reader.string("zone", maxLength: 64) ?? "user"
    if zone != "user", !TimeZones.isKnown(zone) {
      reader.add(
        .invalidFormat, "zone", "'user' or an IANA zone such as Asia/Shanghai is expected here.")
    }
    let onHit = reader.choice("on_hit", OnHit.self) ?? .defer
    reader.finish()
    guard let from = from.flatMap(Self.minutes), let until = until.flatMap(Self.minutes) else {
      return nil
    }
    if from == until {
      reader.add(.outOfRange, "until", "Quiet hours must end at another time than they begin.")
    }
    self.init(from: from, until: until, zone: zone == "user" ? nil : zone, onHit: onHit)
  }

  static func minutes(_ text: String) -> Int? {
    let parts = text.split(separator: ":").compactMap { Int($0) }
    return parts.count == 2 ? parts[0] * 60 + parts[1] : nil
  }
}

extension TextPattern {
  static let timeOfDay = TextPattern(
    "A time of day such as 22:00", expression: "^([01][0-9]|2[0-3]):[0-5][0-9]$"
  ) { text in
    let bytes = Array(text.utf8)
    guard bytes.count == 5, bytes[2] == UInt8(ascii: ":"),
      let hour = Int(text.prefix(2)), let minute = Int(text.suffix(2))
    else { return false }
    return bytes.enumerated().allSatisfy { $0 == 2 || (0x30...0x39).contains($1) }
      && hour < 24 && minute < 60
  }
}

extension ObjectReader {
  /// An array of objects, each read by `make`.
  func objects<T>(
    _ key: String, required: Bool = false, count: ClosedRange<Int>, _ make: (ObjectReader) -> T?
  ) -> [T]? {
    array(key, required: required, count: count)?.compactMap { element in
      ObjectReader(element.value, at: element.pointer, faults: faults).flatMap(make)
    }
  }
}
