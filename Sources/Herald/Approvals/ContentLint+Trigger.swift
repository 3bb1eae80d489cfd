import Foundation
import JSON
import Postgres

extension ContentLint {
  /// What an approver should know of when people would enter: at once, although a later instant was
  /// asked for, or never.
  static func timing(
    _ document: PlanDocument, _ project: ProjectSettings, now: Date, in db: any Queryable
  ) throws -> [Finding] {
    var found: [Finding] = []
    func add(_ code: String, _ field: String, _ text: String) {
      found.append(
        Finding(level: .warning, code: code, template: nil, field: field, text: text))
    }
    let end = document.window?.until ?? .distantFuture
    let launch = document.launchAt(approvedAt: now)
    if case .once(_, let asked?) = document.trigger, asked < now, end > now {
      add(
        "launch_passed", "/trigger/at",
        "The launch was to be at \(asked.rfc3339), which has passed: it begins as soon as the plan is "
          + "approved.")
    }
    if end <= launch {
      add(
        "window_over", "/window/until",
        "The window ends at \(end.rfc3339), before anybody can enter. Give it a later end.")
    } else if let recurrence = document.trigger.recurrence {
      let zones = try recurrence.zone.map { [$0] } ?? UserZoneStore.inUse(project, in: db)
      // An occurrence at the very instant counts, as `StandingPlan.open` has it.
      let next = recurrence.next(after: launch.addingTimeInterval(-1), zones: zones)
      if next.map({ $0 >= end }) ?? true {
        add(
          "no_occurrence", "/trigger",
          "No occurrence is left before the plan ends: nobody will enter. Give it a later end, or times "
            + "that come.")
      }
    }
    if case .date(let date) = document.trigger, case .attribute(let key, _) = date.origin,
      try !hasDates(key, in: db)
    {
      let known = try CatalogueStore.properties(of: "", in: db).subtracting([key]).sorted()
      let likely = EditDistance.nearest(to: key, among: known).map { "; did you mean '\($0)'?" }
      add(
        "no_dates", "/trigger/date",
        "Nobody has a date, such as 1984-02-29, in the attribute '\(key)'\(likely ?? ".")")
    }
    return found
  }

  private static func hasDates(_ attribute: String, in db: any Queryable) throws -> Bool {
    try db.one(
      """
      SELECT 1 FROM users u WHERE u.erased_at IS NULL
        AND u.attributes ->> \(attribute) ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T|$)' LIMIT 1
      """) != nil
  }
}
