import Cryptography
import Foundation
import JSON
import Postgres

/// Random people in the tables, with the values that trip comparisons up: null, absent, numbers that
/// no Double holds, look-alike Unicode, instants at the edges of windows, zones of all kinds.
struct CrowdGenerator {
  static let attributes = ["age", "birthday", "城市", "list"]
  static let tags = ["vip", "tier", "score"]
  static let events = ["order", "cart", "Ordér"]
  static let properties = ["id", "amount", "at"]
  static let plans = ["welcome", "winback"]
  static let segments = ["list", "empty_list", "inner", "outer"]
  static let numbers = [
    "0", "1", "1.0", "-1", "2", "18", "0.1", "0.30", "100", "1e300", "-1e300", "1e-300",
    "12345678901234567890", "12345678901234567891", "9007199254740993",
  ]
  static let days = [
    "2026-03-01", "2026-02-28", "2024-02-29", "1984-02-29", "2025-03-01", "2026-03-02",
  ]
  static let instants = [
    "2026-03-01T04:30:00Z", "2026-02-28T16:00:00Z", "2026-03-01T00:00:00+08:00",
    "2024-02-29T23:59:59.5-05:00", "2026-03-08T07:00:00.250Z", "2016-12-31T23:59:60Z",
  ]
  static let texts =
    [
      "", "a", "A", "é", "e\u{301}", "杭州", "%", "_", "\\", "1", "true", "gold", "silver", "o'clock",
      "\"", "🦆",
    ]
    + ["02-29", "02-30", "2026-02-29", "2026-02-30T00:00:00Z", "0000-01-01", "now"] + days
    + instants
  static let spans = ["1s", "10m", "2h", "1d", "7d", "30d", "365d"].compactMap { TimeSpan.init($0) }
  static let zones: [String?] = [
    nil, "UTC", "Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago",
    "Australia/Lord_Howe", "Asia/Kathmandu", "No/Where", "'; DROP TABLE users; --", "",
  ]
  /// Of regions with one zone and with several.
  static let callings = ["+86", "+81", "+44", "+852", "+91", "+1", "+7"]
  /// What some rows hold.
  let now: Date
  var random: SeededRandom
  private(set) var users: [UUID] = []

  init(now: Date, random: SeededRandom) {
    self.now = now
    self.random = random
  }

  static func number(_ text: String) -> JSONValue {
    JSONNumber(text).map(JSONValue.number) ?? .null
  }

  mutating func fill(_ tx: Transaction, people: Int) throws {
    // Deliveries and tags here belong to no plan and no catalogue.
    try tx.execute("SET LOCAL session_replication_role = replica")
    users = (0..<people).map { _ in UUID(uuid: bytes()) }
    try addUsers(tx)
    try addTags(tx)
    try addEvents(tx)
    try addAddresses(tx)
    try addDeliveries(tx)
    try addLists(tx)
  }

  private mutating func bytes() -> uuid_t {
    func word() -> UInt8 { UInt8(truncatingIfNeeded: random.next()) }
    return (
      word(), word(), word(), word(), word(), word(), word(), word(), word(), word(), word(),
      word(), word(), word(), word(), word()
    )
  }

  private mutating func value() -> JSONValue {
    switch random.below(12) {
    case 0: .null
    case 1: .bool(random.chance(50))
    case 2...5: Self.number(random.pick(Self.numbers))
    case 6...9: .string(random.pick(Self.texts))
    case 10: .array((0..<random.below(3)).map { _ in scalar() })
    default: random.pick([["a": 1], [["a"]], [[1]], .object([:])])
    }
  }

  private mutating func scalar() -> JSONValue {
    random.chance(50) ? Self.number(random.pick(Self.numbers)) : .string(random.pick(Self.texts))
  }

  private mutating func object(_ keys: [String]) -> JSONB {
    var object = JSONObject()
    for key in keys where random.chance(75) { object[key] = value() }
    return JSONB(bytes: JSONValue.object(object).bytes)
  }

  /// Around now, often at the very edge of a window.
  private mutating func time() -> Date {
    let edges = [0, 1, -1, 600, 7200, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400]
    switch random.below(3) {
    case 0: return now.addingTimeInterval(-Double(random.pick(edges)))
    case 1: return now.addingTimeInterval(-Double(random.pick(edges) + random.pick([-1, 1])))
    default: return now.addingTimeInterval(-Double(random.below(40 * 86_400) - 86_400))
    }
  }
}

// MARK: - Tables

extension CrowdGenerator {
  private mutating func addUsers(_ tx: Transaction) throws {
    let attributes = users.map { _ in object(Self.attributes) }
    let zones = users.map { _ in random.pick(Self.zones) }
    try tx.execute(
      """
      INSERT INTO users (id, attributes, time_zone, created_at, updated_at)
      SELECT *, \(now), \(now) FROM unnest(\(users), \(attributes), \(zones))
      """)
  }

  private mutating func addTags(_ tx: Transaction) throws {
    for tag in Self.tags {
      let holders = users.filter { _ in random.chance(60) }
      let values = holders.map { _ in
        JSONB(bytes: (random.chance(40) ? .bool(true) : value()).bytes)
      }
      let expiries = holders.map { _ -> Date? in
        random.chance(50) ? nil : now.addingTimeInterval(Double(random.below(3) - 1))
      }
      try tx.execute(
        """
        INSERT INTO user_tags (user_id, tag, value, source, created_at, updated_at, expires_at)
        SELECT user_id, \(tag), value, 'api', \(now), \(now), expires_at
        FROM unnest(\(holders), \(values), \(expiries)) AS n (user_id, value, expires_at)
        """)
    }
  }

  private mutating func addEvents(_ tx: Transaction) throws {
    let actors = users.flatMap { user in Array(repeating: user, count: random.below(9)) }
    let names = actors.map { _ in random.pick(Self.events) }
    let times = actors.map { _ in time() }
    let properties = actors.map { _ in object(Self.properties) }
    let ids = actors.map { _ in UUID(uuid: bytes()) }
    try tx.execute(
      """
      INSERT INTO events (user_id, name, ts, id, properties, source, received_at)
      SELECT *, 'test', \(now) FROM unnest(\(actors), \(names), \(times), \(ids), \(properties))
      """)
  }

  private mutating func addAddresses(_ tx: Transaction) throws {
    for (kind, channel) in [("phone", "sms"), ("email", "email"), ("wechat_openid", "wechat")] {
      let owners = users.filter { _ in random.chance(60) }
      let values = owners.map { _ in
        kind == "phone"
          ? "\(random.pick(Self.callings))\(random.below(1_000_000_000))"
          : "\(kind)-\(random.next())"
      }
      try tx.execute(
        """
        INSERT INTO identities (kind, value, user_id, created_at)
        SELECT \(kind), value, user_id, \(now)
        FROM unnest(\(values), \(owners)) AS n (value, user_id)
        """)
      try suppress(kind, values.filter { _ in random.chance(20) }, tx)
      try addConsents(channel, tx)
    }
    for channel in ["push", "coupon", "in_app", "webhook", "service_message"] {
      try addConsents(channel, tx)
    }
    let owners = users.filter { _ in random.chance(60) }
    let tokens = owners.map { _ in "token-\(random.next())" }
    let states = owners.map { _ in random.chance(80) ? "active" : "dead" }
    try tx.execute(
      """
      INSERT INTO devices (user_id, provider, token, platform, state, created_at, updated_at)
      SELECT user_id, 'fcm', token, 'android', state, \(now), \(now)
      FROM unnest(\(owners), \(tokens), \(states)) AS n (user_id, token, state)
      """)
    try suppress("token", tokens.filter { _ in random.chance(20) }.map { "fcm:" + $0 }, tx)
  }

  private func suppress(_ kind: String, _ values: [String], _ tx: Transaction) throws {
    try tx.execute(
      """
      INSERT INTO suppressions (kind, value_hash, reason, created_at)
      SELECT \(kind), hash, 'manual', \(now)
      FROM unnest(\(values.map { Bytea(SHA256.hash(Array($0.utf8))) })) AS hash
      """)
  }

  private mutating func addConsents(_ channel: String, _ tx: Transaction) throws {
    let people = users.filter { _ in random.chance(60) }
    let states = people.map { _ in random.pick(["granted", "denied", "unknown"]) }
    let groups = people.map { _ in random.chance(80) ? "" : "news" }
    try tx.execute(
      """
      INSERT INTO consents (user_id, channel, subscription_group, state, source, at)
      SELECT user_id, \(channel), subscription_group, state, 'test', \(now)
      FROM unnest(\(people), \(groups), \(states)) AS n (user_id, subscription_group, state)
      """)
  }

  /// Some under an id that was merged into the user's.
  private mutating func addDeliveries(_ tx: Transaction) throws {
    for plan in Self.plans {
      let run = UUID(uuid: bytes())
      try tx.execute(
        """
        INSERT INTO runs (id, plan, plan_version, occurrence, state, started_at)
        VALUES (\(run), \(plan), 1, 'once', 'running', \(now))
        """)
      let people = users.filter { _ in random.chance(50) }
      let ids = people.map { _ in UUID(uuid: bytes()) }
      let isMerged = people.map { _ in random.chance(20) }
      let aliases = zip(zip(people, ids), isMerged).filter(\.1).map(\.0)
      try tx.execute(
        """
        INSERT INTO user_aliases (alias_id, user_id, merged_at)
        SELECT *, \(now) FROM unnest(\(aliases.map(\.1)), \(aliases.map(\.0)))
        """)
      let receivers = zip(zip(people, ids), isMerged).map { $1 ? $0.1 : $0.0 }
      let states = people.map { _ in random.chance(70) ? "sent" : "pending" }
      let times = states.map { $0 == "sent" ? time() : nil }
      try tx.execute(
        """
        INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version,
          status, created_at, settled_at)
        SELECT user_id, \(run), 'hello', \(now), id, \(plan), 1, status, \(now), settled_at
        FROM unnest(\(receivers), \(ids), \(states), \(times))
          AS n (user_id, id, status, settled_at)
        """)
    }
  }

  /// Version 2 of `list` counts; who came with 3 or left before does not belong.
  private mutating func addLists(_ tx: Transaction) throws {
    let members = users.filter { _ in random.chance(60) }
    let from = members.map { _ in 1 + random.below(3) }
    let until = from.map { random.chance(50) ? nil : $0 + 1 }
    try tx.execute(
      """
      INSERT INTO segment_members (segment, user_id, from_version, until_version)
      SELECT 'list', * FROM unnest(\(members), \(from), \(until))
      """)
  }
}
