import Conditions
import Foundation
import JSON
import Postgres
import Templates

/// What a launch at this moment would come to, counted without sending or changing anything.
struct DryRun {
  let audience: Int
  let heldOut: Int
  /// At entry, and by each send that would reach them by no channel.
  let skipped: [String: Int]
  /// Sends that would wait until the caps have room.
  let deferred: [String: Int]
  /// People by the first channel of each step's chain that would reach them, summed over steps.
  let byChannel: [String: Int]
  /// Codes that the people need at most and at least, what is left of them, and how many of those the
  /// plan may still issue.
  let coupons: [String: (most: Int, least: Int, left: Int, allowed: Int)]
  /// What is left of every coupon the plan names.
  let stock: [String: Int]
  /// Whether it depends on what people will do who comes to which step: `byChannel` and `coupons` say
  /// then how many it may be at most.
  let isUpperBound: Bool
  let finishesAt: Date
  /// Of an event trigger.
  let entries: RecentEntryStore.Count?
  /// Who could enter at all, where that says more than who did or would: nobody entered lately, or
  /// a call or scene picks people.
  let everybody: Int?
  /// Those who enter a crowd.
  let entrants: Int
  /// People who lack a variable that a template shows without a default, by its path.
  let missing: [String: Int]
  let calendar: PlanCalendar
  let samples: [JSONValue]

  init(
    _ manifest: Manifest, _ document: PlanDocument, now: Date, project: ProjectSettings,
    in tx: Transaction
  ) throws {
    let moving = try EventHistory.isMoving(in: tx)
    let compile = { (condition: Condition) throws -> SQL in
      try SegmentCompiler.predicate(
        condition, closure: manifest.closure, now: now, projectZone: project.timeZone,
        unknown: project.unknownConsent, moving: moving)
    }
    var crowd = try compile(document.trigger.condition)
    if let scope = manifest.userScope { crowd = "(\(crowd)) AND (\(try compile(.stored(scope))))" }
    let fits: SQL = try document.audience.map(compile) ?? "true"
    let holdout = document.holdout(of: manifest.plan, project)
    let reach = try DryRunReach(
      document, plan: manifest.plan, now: now, project: project, in: tx)
    let shown = try Self.shown(manifest)
    let lacking = shown.enumerated().reduce(SQL.empty) { columns, place in
      columns + ", (\(Self.lacks(place.element))) AS \(identifier: "lacks_\(place.offset)")"
    }
    try tx.execute("SET LOCAL plan_cache_mode = force_custom_plan")
    // One pass over the crowd; a handful of its people are kept for samples.
    let row = try tx.one(
      SQL(
        """
        WITH \(reach.queries) crowd AS MATERIALIZED (
          SELECT u.id, (\(fits)) AS fits, \(holdout.holds("u.id")) AS held
            \(reach.columns) \(lacking)
          FROM users u \(reach.joins) WHERE u.erased_at IS NULL AND (\(crowd)))
        SELECT count(*) AS audience, count(*) FILTER (WHERE NOT fits) AS unfit,
          count(*) FILTER (WHERE fits AND held) AS held,
          (SELECT coalesce(array_agg(id), '{}') FROM (
            SELECT id FROM crowd WHERE fits AND NOT held LIMIT 5) AS s) AS samples
          \(reach.counts) \(Self.lacking(shown.count))
        FROM (SELECT u.* \(reach.reasons) FROM crowd AS u) AS crowd
        """
      ).unprepared())
    guard let row else { throw HeraldError(.unexpected, "The dry run counted nothing.") }
    audience = try row.get("audience")
    heldOut = try row.get("held")
    let unfit: Int = try row.get("unfit")
    let isOver = document.window?.until.map { $0 <= document.launchAt(approvedAt: now) } ?? false
    let found = isOver ? DryRunReach.Found() : try reach.read(row)
    let refused: [SkipCode: Int] =
      isOver ? [.outsideWindow: audience] : [.notInAudience: unfit]
    skipped = refused.filter { $0.value > 0 }.reduce(into: found.skipped) {
      $0[$1.key.rawValue, default: 0] += $1.value
    }
    deferred = found.deferred
    byChannel = found.byChannel
    var missing: [String: Int] = [:]
    for (index, path) in shown.enumerated() {
      missing[path.description] = try row.get("lack_\(index)")
    }
    self.missing = missing.filter { $0.value > 0 }
    let scope = try manifest.userScope.map { try compile(.stored($0)) } ?? "true"
    if case .event(let trigger) = document.trigger {
      entries = try RecentEntryStore.count(
        trigger, fits: "(\(fits)) AND (\(scope))", holdout: holdout,
        projectZone: project.timeZone, now: now, in: tx)
    } else {
      entries = nil
    }
    everybody =
      try document.trigger.picksAnybody || entries?.month == 0
      ? Self.everybody("(\(fits)) AND (\(scope))", in: tx) : nil
    stock = try CouponStore.stock(of: document.coupons, in: tx)
    var coupons: [String: (most: Int, least: Int, left: Int, allowed: Int)] = [:]
    let people = audience - unfit - heldOut
    entrants = people
    let least = document.coupons(people: people, min)
    for (key, most) in document.coupons(people: people, max) {
      let left = stock[key] ?? 0
      var allowed = left
      if let limit = document.limits.coupons[key] {
        let spent = try CouponStore.spent(key, by: manifest.plan, in: tx)
        allowed = min(left, max(0, limit - spent))
      }
      coupons[key] = (most, least[key] ?? 0, left, allowed)
    }
    self.coupons = coupons
    isUpperBound = !document.isForeseeable
    finishesAt = try Self.finish(manifest, document, byChannel, now: now, in: tx)
    calendar = try PlanCalendar(
      manifest, document,
      crowd: "(\(crowd)) AND (\(fits)) AND NOT \(holdout.holds("u.id"))",
      people: people, reach: reach.conditions, finishesAt: finishesAt, now: now, project: project,
      in: tx)
    var sampled: [UUID: JSONObject] = [:]
    if case .event(let trigger) = document.trigger {
      sampled = try RecentEntryStore.latest(
        trigger, fits: "(\(fits)) AND (\(scope))", projectZone: project.timeZone, now: now, in: tx)
    }
    if sampled.isEmpty {
      let people: [UUID] = try row.get("samples")
      sampled = Dictionary(people.map { ($0, [:]) }) { first, _ in first }
    }
    samples = try Self.render(manifest, document, sampled, now: now, in: tx)
  }

  /// People the plan may reach: of an event trigger the entries of the last 30 days; where nobody
  /// knows beforehand who will enter, everybody who could.
  var people: Int {
    if let everybody { return everybody }
    if let entries { return entries.month }
    return entrants
  }

  /// 409 for what cannot be carried out: more people than the plan's own limit, fewer codes than
  /// everybody is to get.
  func refuseImpossible(_ document: PlanDocument) throws {
    // Who will enter is not known yet; stock is looked at when a code is to be issued.
    guard !document.trigger.isStream else { return }
    if let limit = document.limits.audience, audience > limit {
      throw HeraldError(
        .conflict,
        "The crowd has \(audience) people, more than limits.audience (\(limit)); raise the limit "
          + "or narrow the segment.", pointer: "/limits/audience")
    }
    guard !document.limits.allowPartialStock else { return }
    for (key, coupon) in coupons.sorted(by: { $0.key < $1.key }) {
      let left = min(coupon.left, document.limits.coupons[key] ?? .max)
      guard coupon.least > left else { continue }
      throw HeraldError(
        .insufficientStock,
        "Coupon '\(key)' has \(left) codes left for \(coupon.least) people; add codes, "
          + "narrow the crowd, or set limits.allow_partial_stock.")
    }
  }

  var json: JSONValue {
    var json = figures
    if let entries {
      json["entries"] = ["last_7_days": .int(entries.week), "last_30_days": .int(entries.month)]
    }
    return .object(json)
  }

  private var figures: JSONObject {
    [
      "audience": .int(audience), "held_out": .int(heldOut), "skipped": .counts(skipped),
      "deferred": .counts(deferred), "by_channel": .counts(byChannel),
      "upper_bound": .bool(isUpperBound),
      "coupons": .counts(coupons.mapValues { min($0.most, $0.allowed) }),
      "missing_variables": .counts(missing), "finishes_at": .instant(finishesAt),
      "overlaps": .array(calendar.overlaps), "calendar": .array(calendar.days),
      "samples": .array(samples),
    ]
  }
}

extension DryRun {
  /// A result as `caller` may read it. Samples show personal fields as they are: they are not for
  /// analysts, nor for a key with another user scope than the one they were drawn within.
  static func shown(
    _ json: JSONValue, within scope: JSONValue?, to caller: Caller
  ) -> JSONValue {
    let isOutside = caller.userScope.map { $0.json != scope } ?? false
    guard caller.seesMasked || isOutside, var object = json.objectValue else { return json }
    object["samples"] = []
    return .object(object)
  }

  private static func everybody(_ fits: SQL, in tx: Transaction) throws -> Int {
    let query: SQL = "SELECT count(*) AS n FROM users u WHERE u.erased_at IS NULL AND \(fits)"
    return try tx.one(query.unprepared())?.get("n") ?? 0
  }

  /// When the slowest sender is through, at the pace configured now.
  private static func finish(
    _ manifest: Manifest, _ document: PlanDocument, _ byChannel: [String: Int], now: Date,
    in tx: Transaction
  ) throws -> Date {
    var seconds = 0.0
    let senders = try SenderStore.active(in: tx)
    for (channel, count) in byChannel {
      let paces = senders.filter { $0.sender.channel.rawValue == channel }.map(
        \.sender.pacePerSecond)
      if paces.contains(where: { $0 == nil }) || paces.isEmpty { continue }
      let rate = paces.compactMap { $0 }.reduce(0, +)
      seconds = max(seconds, Double(count) / rate)
    }
    if let perMinute = document.limits.perMinute {
      let all = byChannel.values.reduce(0, +)
      seconds = max(seconds, Double(all) * 60 / Double(perMinute))
    }
    let start = document.launchAt(approvedAt: now)
    return start.addingTimeInterval(seconds + document.longestWait(from: start))
  }

  /// Attributes of users that a template shows without a default.
  private static func shown(_ manifest: Manifest) throws -> [TemplatePath] {
    var paths: [TemplatePath] = []
    for (_, json) in manifest.templates.members {
      for path in try PreparedTemplate(manifest: json).needs
      where path.root == .user && path.names != ["id"] && !paths.contains(path) {
        paths.append(path)
      }
    }
    return paths
  }

  /// Over `users u`.
  private static func lacks(_ path: TemplatePath) -> SQL {
    if path.names == ["external_id"] {
      return """
        NOT EXISTS (SELECT FROM identities i WHERE i.user_id = u.id AND i.kind = 'external_id')
        """
    }
    return """
      coalesce(jsonb_typeof(u.attributes #> \(path.names)), 'null') IN ('null', 'object')
      """
  }

  private static func lacking(_ count: Int) -> SQL {
    (0..<count).reduce("") { counts, index in
      counts
        + """
        , count(*) FILTER (WHERE fits AND NOT held AND \(identifier: "lacks_\(index)"))
          AS \(identifier: "lack_\(index)")
        """
    }
  }

  /// `people`: with the properties they would enter with.
  private static func render(
    _ manifest: Manifest, _ document: PlanDocument, _ people: [UUID: JSONObject], now: Date,
    in tx: Transaction
  ) throws -> [JSONValue] {
    let users = try UserStore.find(people.keys.sorted { $0.text < $1.text }, now: now, in: tx)
    var samples: [JSONValue] = []
    for (_, user) in users.sorted(by: { $0.key.text < $1.key.text }) {
      for (step, link) in document.steps.flatMap({ step in step.chain.map { (step, $0) } }) {
        guard let key = link.template, let json = manifest.templates[key] else { continue }
        let variables = RenderVariables(
          user: user.renderJSON, event: people[user.id] ?? [:],
          plan: ["key": .string(manifest.plan)], steps: [:],
          unsubscribeURL: "{{ unsubscribe_url }}")
        let content: JSONValue
        switch try PreparedTemplate(manifest: json).render(variables) {
        case .content(let rendered): content = rendered
        case .skip, .fail: content = .null
        }
        samples.append([
          "user": .id(user.id), "step": .string(step.id), "template": .string(key),
          "content": content,
        ])
      }
    }
    return samples
  }
}

extension JSONValue {
  /// An object of counts, sorted by key.
  static func counts(_ counts: [String: Int]) -> JSONValue {
    .object(
      JSONObject(counts.sorted { $0.key < $1.key }.map { (key: $0.key, value: .int($0.value)) }))
  }
}
