import Foundation
import JSON

/// What is known of a user, as rows in JSON: the user's own, tags, consents and devices by their key.
/// Columns that this program does not know are carried along.
struct UserFacts: Sendable, Equatable {
  /// The row of `users`.
  var user: JSONObject
  var tags: JSONObject
  var consents: JSONObject
  var devices: JSONObject

  init(_ json: JSONValue) {
    user = json["user"]?.objectValue ?? [:]
    tags = json["tags"]?.objectValue ?? [:]
    consents = json["consents"]?.objectValue ?? [:]
    devices = json["devices"]?.objectValue ?? [:]
  }

  var json: JSONValue {
    [
      "user": .object(user), "tags": .object(tags), "consents": .object(consents),
      "devices": .object(devices),
    ]
  }

  var attributes: JSONObject {
    get { user["attributes"]?.objectValue ?? [:] }
    set { user["attributes"] = .object(newValue) }
  }

  var times: JSONObject {
    get { user["attribute_times"]?.objectValue ?? [:] }
    set { user["attribute_times"] = newValue.isEmpty ? .null : .object(newValue) }
  }

  /// When an attribute was written: with the user where nothing else is known.
  private func written(_ key: String) -> AttributeRule.Written? {
    guard let value = attributes[key] else { return nil }
    return .init(value: value, at: times[key]?.intValue ?? user.instant("created_at") ?? 0)
  }
}

// MARK: - Merging

extension UserFacts {
  /// What is known of both, this user being the one that stands for them.
  func merged(with other: UserFacts, rules: [String: AttributeRule]) -> UserFacts {
    var whole = self
    var attributes = attributes
    var times = times
    for key in other.attributes.keys {
      guard let theirs = other.written(key) else { continue }
      let written = written(key).map { (rules[key] ?? .newest).merged($0, theirs) } ?? theirs
      attributes[key] = written.value
      times[key] = .int(written.at)
    }
    whole.attributes = attributes
    whole.times = times
    for column in ["time_zone", "locale"] where (user[column] ?? .null).isNull {
      whole.user[column] = other.user[column]
    }
    whole.user["first_seen"] = Self.pick(user, other.user, "first_seen") { $0 < $1 }
    whole.user["last_seen"] = Self.pick(user, other.user, "last_seen") { $0 > $1 }
    whole.tags = Self.union(tags, other.tags) { $0.newest($1, by: "updated_at") }
    whole.devices = Self.union(devices, other.devices) { $0.newest($1, by: "updated_at") }
    whole.consents = Self.union(consents, other.consents) { $0.consent($1) }
    return whole
  }

  private static func pick(
    _ one: JSONObject, _ other: JSONObject, _ column: String, isBetter: (Int, Int) -> Bool
  ) -> JSONValue {
    guard let theirs = other.instant(column) else { return one[column] ?? .null }
    guard let ours = one.instant(column) else { return other[column] ?? .null }
    return (isBetter(theirs, ours) ? other : one)[column] ?? .null
  }

  private static func union(
    _ one: JSONObject, _ other: JSONObject, _ pick: (JSONObject, JSONObject) -> JSONObject
  ) -> JSONObject {
    var all = one
    for (key, theirs) in other {
      guard let ours = one[key]?.objectValue, let row = theirs.objectValue else {
        all[key] = theirs
        continue
      }
      all[key] = .object(pick(ours, row))
    }
    return all
  }
}

// MARK: - What was written later

extension UserFacts {
  /// Does to a part of a merged person what was done to the whole, which was `before` and is `after`.
  mutating func record(
    _ before: UserFacts, _ after: UserFacts, _ touched: PartWatch.Touched = .init(),
    rules: [String: AttributeRule]
  ) {
    let (old, new) = (before.attributes, after.attributes)
    var attributes = attributes
    var times = times
    // What was said again adds nothing to a sum.
    let again = touched.attributes.filter { rules[$0] != .sum }
    for (key, value) in new where old[key] != value || again.contains(key) {
      attributes[key] =
        rules[key] == .sum ? Self.added(attributes[key], old[key], value) : value
      times[key] = after.written(key).map { .int($0.at) }
    }
    for key in touched.attributes.union(old.keys) where new[key] == nil {
      attributes[key] = nil
      times[key] = nil
    }
    self.attributes = attributes
    self.times = times
    for column in ["time_zone", "locale"] where before.user[column] != after.user[column] {
      user[column] = after.user[column]
    }
    tags.record(before.tags, after.tags, touched.tags)
    consents.record(before.consents, after.consents)
    devices.record(before.devices, after.devices)
  }

  /// Sums are parted: what the whole gained, this part gained.
  private static func added(_ part: JSONValue?, _ old: JSONValue?, _ new: JSONValue) -> JSONValue {
    guard case .number(let new) = new else { return new }
    guard case .number(let old)? = old, case .number(let part) = part ?? 0 else {
      return .number(new)
    }
    return .number(part + new + old.negated)
  }

  /// Takes over from the whole what none of its parts has heard of: rows and attributes that are
  /// newer than those of every part.
  mutating func adopt(from whole: UserFacts, unknownTo parts: [UserFacts]) {
    var attributes = attributes
    var times = times
    for key in whole.attributes.keys {
      guard let written = whole.written(key),
        parts.allSatisfy({ ($0.written(key)?.at ?? .min) < written.at })
      else { continue }
      attributes[key] = written.value
      times[key] = .int(written.at)
    }
    self.attributes = attributes
    self.times = times
    tags.adopt(from: whole.tags, unknownTo: parts.map(\.tags), by: "updated_at")
    consents.adopt(from: whole.consents, unknownTo: parts.map(\.consents), by: "at")
    devices.adopt(from: whole.devices, unknownTo: parts.map(\.devices), by: "updated_at")
  }
}

extension JSONObject {
  /// Microseconds since 1970.
  fileprivate func instant(_ column: String) -> Int? {
    self[column]?.stringValue.flatMap { Date(rfc3339: $0) }?.microsecondsSince1970
  }

  fileprivate func newest(_ other: JSONObject, by column: String) -> JSONObject {
    (other.instant(column) ?? .min) > (instant(column) ?? .min) ? other : self
  }

  /// The latest explicit denial, else the latest explicit grant, else unknown.
  fileprivate func consent(_ other: JSONObject) -> JSONObject {
    for state in ["denied", "granted"] as [JSONValue] {
      switch (self["state"] == state, other["state"] == state) {
      case (true, true): return newest(other, by: "at")
      case (true, false): return self
      case (false, true): return other
      case (false, false): continue
      }
    }
    return newest(other, by: "at")
  }

  fileprivate mutating func record(
    _ before: JSONObject, _ after: JSONObject, _ touched: Set<String> = []
  ) {
    for (key, row) in after where before[key] != row || touched.contains(key) { self[key] = row }
    for key in touched.union(before.keys) where after[key] == nil { self[key] = nil }
  }

  fileprivate mutating func adopt(
    from whole: JSONObject, unknownTo parts: [JSONObject], by column: String
  ) {
    for (key, row) in whole {
      guard let at = row.objectValue?.instant(column) else { continue }
      let isUnknown = parts.allSatisfy {
        ($0[key]?.objectValue?.instant(column) ?? .min) < at
      }
      if isUnknown { self[key] = row }
    }
  }
}

extension JSONNumber {
  fileprivate var negated: JSONNumber {
    JSONNumber(text.hasPrefix("-") ? String(text.dropFirst()) : "-" + text) ?? self
  }
}
