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

  /// A query `used`: a row for each `person` who was sent something lately.
  var used: SQL {
    var used: [SQL] = caps.enumerated().map { index, cap in
      "count(*) FILTER (WHERE \(covers(cap)) AND \(counts(cap.span))) AS \(identifier: "used_\(index)")"
    }
    if let exclusion {
      used.append(
        """
        count(*) FILTER (WHERE c.exclusion = \(exclusion.group) AND c.plan <> \(plan)
          AND \(counts(.rolling(exclusion.within)))) AS used_group
        """)
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

  /// Over a row of `used`, which may be absent: the code by which a message would be refused, or NULL.
  func refusal(on channel: Channel) -> SQL {
    var cases: [SQL] = caps.enumerated().filter { $1.covers(channel, category: category) }.map {
      "WHEN used.\(identifier: "used_\($0)") >= \($1.limit) THEN \($1.code.rawValue)"
    }
    if exclusion != nil {
      cases.append("WHEN used.used_group > 0 THEN \(SkipCode.excluded.rawValue)")
    }
    return cases.isEmpty ? "NULL::text" : "CASE \(SQL.joined(cases, separator: " ")) END"
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
