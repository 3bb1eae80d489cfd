import Conditions
import JSON

/// All that a plan compares with something, and where it says so.
extension PlanDocument {
  /// Of people: the audience and the conditions of branches.
  var peopleConditions: [ConditionTypes.Placed] {
    var conditions: [ConditionTypes.Placed] = []
    if let audience { conditions.append((JSONPointer(tokens: ["audience"]), audience)) }
    for step in steps {
      conditions += step.conditions.map { way, condition in
        (step.place(ofWay: way).appending("condition"), condition)
      }
    }
    return conditions
  }

  /// Of properties of events, each `where` as the condition that there was such an event.
  var eventConditions: [ConditionTypes.Placed] {
    var conditions: [ConditionTypes.Placed] = []
    func add(_ event: String, _ filters: [PropertyCondition], at pointer: JSONPointer) {
      conditions.append((pointer, .event(EventCondition(name: event, filters: filters))))
    }
    let place = JSONPointer(tokens: ["trigger"])
    /// What people enter with, when it is the properties of an event.
    var entry: String?
    switch trigger {
    case .event(let trigger):
      entry = trigger.event
      add(trigger.event, trigger.filters, at: place)
      if let unless = trigger.unless {
        add(unless.event, unless.filters, at: place.appending("unless"))
      }
    case .date(let date):
      if case .event(let name, let filters, _) = date.origin {
        add(name, filters, at: place.appending("date"))
      }
    case .once, .recurring, .api, .scene: break
    }
    for step in steps {
      switch step.action {
      case .waitUntil(.event(let awaited), _, _):
        let place = JSONPointer(tokens: ["steps", String(step.index), "wait_until"])
        add(awaited.name, awaited.filters, at: place)
      case .branch(let ways, _):
        guard let entry else { continue }
        for way in ways { add(entry, way.test.filters, at: step.place(ofWay: way.index)) }
      default: break
      }
    }
    return conditions
  }
}

extension PlanDocument.Step {
  /// The place of a way's test.
  fileprivate func place(ofWay way: Int) -> JSONPointer {
    JSONPointer(tokens: ["steps", String(index), "branch", String(way), "if"])
  }
}
