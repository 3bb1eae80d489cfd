import JSON

extension Accounting {
  var json: JSONValue {
    var object: JSONObject = ["plan": .string(plan)]
    for (key, value) in total.members(stepOrder) { object[key] = value }
    object["arms"] = Account.json(ofArms: arms, stepOrder)
    object["runs"] = .array(runs.map { $0.json(stepOrder) })
    object["balanced"] = .bool(imbalances.isEmpty)
    return .object(object)
  }

  static let schema = Schema.object([
    "plan": Schema.key, "people": Account.people, "steps": Account.steps,
    "visits": Account.visits, "attempts": Account.attempts, "arms": Account.arms,
    "balanced": Schema.bool,
    "runs": Schema.array(
      Schema.object([
        "id": Schema.uuid, "version": Schema.count, "occurrence": Schema.string,
        "state": Schema.choice(Run.State.allCases.map(\.rawValue)),
        "reason": Schema.nullable(Schema.string), "started_at": Schema.instant,
        "finished_at": Schema.nullable(Schema.instant), "people": Account.people,
        "steps": Account.steps, "visits": Account.visits, "attempts": Account.attempts,
        "arms": Account.arms,
      ])),
  ])
}

extension Accounting.Entry {
  fileprivate func json(_ order: [String]) -> JSONValue {
    var object: JSONObject = [
      "id": .id(run.id), "version": .int(run.planVersion), "occurrence": .string(run.occurrence),
      "state": .string(run.state.rawValue), "started_at": .instant(run.startedAt),
      "reason": .optional(run.reason), "finished_at": .instant(run.finishedAt),
    ]
    for (key, value) in account.members(order) { object[key] = value }
    object["arms"] = Account.json(ofArms: arms, order)
    return .object(object)
  }
}

extension Account {
  /// `people`, `steps`, `visits` and `attempts`; steps in `order`, those of older documents after them.
  fileprivate func members(_ order: [String]) -> [(key: String, value: JSONValue)] {
    let known = order.filter { steps[$0] != nil }
    let ids = known + steps.keys.filter { !known.contains($0) }.sorted()
    let visited = order.filter { visits[$0] != nil }
    let places = visited + visits.keys.filter { !visited.contains($0) }.sorted()
    let channels = attempts.sorted { $0.key < $1.key }.map { channel, counts in
      (key: channel, value: Self.json(counts))
    }
    return [
      ("people", people.json),
      ("steps", .object(JSONObject(ids.map { (key: $0, value: (steps[$0] ?? Step()).json) }))),
      (
        "visits",
        .object(JSONObject(places.map { (key: $0, value: (visits[$0] ?? Visits()).json) }))
      ),
      ("attempts", .object(JSONObject(channels))),
    ]
  }

  /// Of each arm, its people and the send steps they came to.
  fileprivate static func json(ofArms arms: [String: Account], _ order: [String]) -> JSONValue {
    .object(
      JSONObject(
        arms.sorted { $0.key < $1.key }.map { key, account in
          let members = account.members(order).filter { ["people", "steps"].contains($0.key) }
          return (key: key, value: .object(JSONObject(members)))
        }))
  }

  private static func json(_ counts: [AttemptStatus: Int]) -> JSONValue {
    .object(
      JSONObject(
        AttemptStatus.allCases.map { (key: $0.rawValue, value: .int(counts[$0] ?? 0)) }))
  }

  static let people = Schema.object([
    "targeted": Schema.count, "held_out": Schema.count, "skipped_at_entry": Schema.counts,
    "active": Schema.count, "finished": Schema.count, "exited": Schema.counts,
  ])
  static let steps = Schema.map(
    Schema.object([
      "entered": Schema.count, "sent": Schema.count, "failed": Schema.count,
      "skipped": Schema.counts, "pending": Schema.count, "unknown": Schema.count,
    ]))
  static let arms = Schema.map(Schema.object(["people": people, "steps": steps]))
  static let visits = Schema.map(
    Schema.object([
      "kind": Schema.choice(PlanDocument.Step.Kind.allCases.map(\.rawValue)),
      "entered": Schema.count, "waiting": Schema.count, "passed": Schema.count,
      "failed": Schema.count, "exited": Schema.count, "outcomes": Schema.counts,
    ]))
  static let attempts = Schema.map(
    Schema.object([
      "sent": Schema.count, "failed": Schema.count, "retry": Schema.count,
      "unknown": Schema.count, "skipped": Schema.count,
    ]))
}

extension Account.People {
  var json: JSONValue {
    [
      "targeted": .int(targeted), "held_out": .int(heldOut),
      "skipped_at_entry": .counts(skipped), "active": .int(active), "finished": .int(finished),
      "exited": .counts(exited),
    ]
  }
}

extension Account.Step {
  fileprivate var json: JSONValue {
    [
      "entered": .int(entered), "sent": .int(sent), "failed": .int(failed),
      "skipped": .counts(skipped), "pending": .int(pending), "unknown": .int(unknown),
    ]
  }
}

extension Account.Visits {
  fileprivate var json: JSONValue {
    [
      "kind": .string(kind), "entered": .int(entered), "waiting": .int(waiting),
      "passed": .int(passed), "failed": .int(failed), "exited": .int(exited),
      "outcomes": .counts(outcomes),
    ]
  }
}
