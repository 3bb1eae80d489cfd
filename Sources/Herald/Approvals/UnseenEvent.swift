import Conditions
import JSON
import Postgres

/// An event that a plan waits for, which never came: perhaps a slip of the pen.
struct UnseenEvent: Sendable {
  let name: String
  /// Where the plan names it first.
  let place: JSONPointer
  /// A name that did come and looks much like it.
  let likely: String?

  /// Of the events that make people enter, go on, or reach a goal.
  static func find(_ document: PlanDocument, in db: any Queryable) throws -> [UnseenEvent] {
    var places: [String: JSONPointer] = [:]
    for (place, name) in document.events where places[name] == nil { places[name] = place }
    guard !places.isEmpty else { return [] }
    let unseen = try db.query(
      """
      SELECT n.name FROM unnest(\(places.keys.sorted())) AS n (name)
      WHERE NOT EXISTS (SELECT FROM events e WHERE e.name = n.name)
        AND NOT EXISTS (SELECT FROM catalogue_events c
          WHERE c.name = n.name AND c.last_seen IS NOT NULL)
      ORDER BY n.name
      """
    ).map { try $0.get(0, as: String.self) }
    guard !unseen.isEmpty else { return [] }
    let seen = try CatalogueStore.names(in: db)
    return unseen.map { name in
      UnseenEvent(
        name: name, place: places[name] ?? .root,
        likely: EditDistance.nearest(to: name, among: seen.filter { $0 != name }))
    }
  }

  var finding: ContentLint.Finding {
    ContentLint.Finding(
      level: .warning, code: "unseen_event", template: nil, field: place.description,
      text: "No event '\(name)' came so far" + (likely.map { "; did you mean '\($0)'?" } ?? "."))
  }
}

extension PlanDocument {
  /// Those that make people enter, go on, or count as reached, and where they are named.
  fileprivate var events: [(place: JSONPointer, name: String)] {
    let asked = eventConditions.compactMap { place, condition -> (JSONPointer, String)? in
      guard case .event(let event) = condition else { return nil }
      return (place, event.name)
    }
    let goals = goals.enumerated().map { index, goal in
      (JSONPointer(tokens: ["goals", String(index), "event"]), goal.event)
    }
    return asked + goals
  }
}
