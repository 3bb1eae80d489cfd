import Conditions
import JSON
import Postgres

/// A property by which a plan tells events apart, which no event of the name had: perhaps a slip of
/// the pen, by which nothing would ever match.
enum UnseenProperty {
  static func findings(
    _ document: PlanDocument, in db: any Queryable
  ) throws -> [ContentLint.Finding] {
    var seen: [String: Set<String>] = [:]
    var found: [ContentLint.Finding] = []
    for (place, event, property) in document.eventProperties {
      let known = try seen[event] ?? CatalogueStore.properties(of: event, in: db)
      seen[event] = known
      // An event that never came, or without any property, is told of as a whole, or says nothing.
      guard !known.isEmpty, !known.contains(property) else { continue }
      let likely = EditDistance.nearest(to: property, among: known.sorted())
      found.append(
        ContentLint.Finding(
          level: .warning, code: "unseen_property", template: nil, field: place.description,
          text: "No event '\(event)' had the property '\(property)' so far"
            + (likely.map { "; did you mean '\($0)'?" } ?? ".")))
    }
    return found
  }
}

extension PlanDocument {
  /// Properties of events that decide who enters, goes on and comes again, and where they are named.
  fileprivate var eventProperties: [(place: JSONPointer, event: String, property: String)] {
    var named: [(place: JSONPointer, event: String, property: String)] = []
    for (place, condition) in eventConditions {
      guard case .event(let event) = condition else { continue }
      named += event.filters.map { (place.appending("where"), event.name, $0.key) }
    }
    let entry = entryEvent
    /// In which two events must agree: each of them must have it.
    func agree(_ property: String?, _ other: String, at place: JSONPointer) {
      guard let property else { return }
      let events = [other] + (entry.map { $0 == other ? [] : [$0] } ?? [])
      named += events.map { (place.appending("same"), $0, property) }
    }
    if case .event(let trigger) = trigger, let unless = trigger.unless {
      agree(unless.same, unless.event, at: JSONPointer(tokens: ["trigger", "unless"]))
    }
    for step in steps {
      guard case .waitUntil(.event(let awaited), _, _) = step.action else { continue }
      agree(
        awaited.same, awaited.name,
        at: JSONPointer(tokens: ["steps", String(step.index), "wait_until"]))
    }
    if let entry, let key = reentry?.key {
      named.append((JSONPointer(tokens: ["reentry", "key"]), entry, key))
    }
    return named
  }

  /// What people enter with, when it is the properties of an event.
  private var entryEvent: String? {
    if case .event(let trigger) = trigger { trigger.event } else { nil }
  }
}
