import Foundation
import JSON
import Postgres

/// Whom the caps would leave no room for a message of a plan now, for all people in one pass. What
/// scheduled runs hold in advance is not looked at.
struct CapForecast {
  private let caps: [Cap]
  private let category: String?
  private let exclusion: PlanDocument.Pressure.Exclusion?
  private let plan: String
  private let now: Date
  private let projectZone: String

  /// Nil when nothing is counted.
  init?(
    _ document: PlanDocument, plan: String, caps: [Cap], now: Date, projectZone: String
  ) {
    guard document.messageClass == .marketing,
      !caps.isEmpty || document.pressure.exclusion != nil
    else { return nil }
    self.caps = caps
    self.plan = plan
    self.now = now
    self.projectZone = projectZone
    category = document.category
    exclusion = document.pressure.exclusion
  }

  /// A query `used`: a row for each `person` who was sent something lately, with the instant until
  /// which each rule leaves no room, or NULL.
  var used: SQL {
    var used: [SQL] = caps.enumerated().map { index, cap in
      // So many have to be over that one less than the limit is left.
      let freeing: SQL = """
        (array_agg(c.at ORDER BY c.at DESC)
          FILTER (WHERE \(covers(cap)) AND \(counts(cap.span))))[\(Int32(clamping: cap.limit))]
        """
      return "\(end(cap.span, of: freeing)) AS \(identifier: "until_\(index)")"
    }
    if let exclusion {
      let latest: SQL = """
        max(c.at) FILTER (WHERE c.exclusion = \(exclusion.group) AND c.plan <> \(plan)
          AND \(counts(.rolling(exclusion.within))))
        """
      used.append("\(end(.rolling(exclusion.within), of: latest)) AS until_group")
    }
    let spans = caps.map(\.span) + (exclusion.map { [.rolling($0.within)] } ?? [])
    let horizon = spans.map { $0.horizon(at: now) }.min() ?? now
    return """
      SELECT u.id AS person, \(SQL.joined(used, separator: ", "))
      FROM cap_uses c LEFT JOIN user_aliases a ON a.alias_id = c.user_id
      JOIN users u ON u.id = coalesce(a.user_id, c.user_id)
      WHERE c.at >= \(horizon) GROUP BY u.id
      """
  }

  /// Over a row of `used`, which may be absent: what would refuse a message longest, as the columns
  /// `code` and `until` of at most one row.
  func refusal(on channel: Channel) -> SQL {
    var rules: [SQL] = caps.enumerated().filter { $1.covers(channel, category: category) }.map {
      "(\(Int32(clamping: $0)), \($1.code.rawValue), used.\(identifier: "until_\($0)"))"
    }
    if exclusion != nil {
      rules.append("(\(Int32.max), \(SkipCode.excluded.rawValue), used.until_group)")
    }
    guard !rules.isEmpty else {
      return "SELECT NULL::text AS code, NULL::timestamptz AS until WHERE false"
    }
    return """
      SELECT rule.code, rule.until FROM (VALUES \(SQL.joined(rules, separator: ", ")))
        AS rule (n, code, until)
      WHERE rule.until IS NOT NULL ORDER BY rule.until DESC, rule.n LIMIT 1
      """
  }

  /// As `CapSpan.end` has it; over a user `u`.
  private func end(_ span: CapSpan, of time: SQL) -> SQL {
    switch span {
    case .rolling(let length): "\(time) + make_interval(secs => \(Double(length.seconds)))"
    case .calendar(let unit, let own):
      """
      ((date_trunc(\(unit.rawValue), \(time) AT TIME ZONE \(zone(own)))
        + ('1 ' || \(unit.rawValue))::interval) AT TIME ZONE \(zone(own)))
      """
    }
  }

  private func covers(_ cap: Cap) -> SQL {
    switch cap.scope {
    case .all: "c.channel <> 'coupon'"
    case .channel(let channel): "c.channel = \(channel.rawValue)"
    case .category(let category): "c.channel <> 'coupon' AND c.category = \(category)"
    }
  }

  /// As `CapSpan.counts` has it; over a user `u`.
  private func counts(_ span: CapSpan) -> SQL {
    switch span {
    case .rolling(let length): "c.at > \(now.addingTimeInterval(-Double(length.seconds)))"
    case .calendar(let unit, let own):
      """
      c.at >= (date_trunc(\(unit.rawValue), \(now) AT TIME ZONE \(zone(own))) AT TIME ZONE \(zone(own)))
      """
    }
  }

  private func zone(_ own: String?) -> SQL {
    own.map { "\($0)" } ?? SegmentCompiler.zone(projectZone: projectZone)
  }
}
