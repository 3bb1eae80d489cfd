import Conditions
import Foundation
import JSON

extension PlanDocument {
  /// What makes people enter a plan.
  public enum Trigger: Sendable {
    /// A crowd, once; nil: on approval.
    case once(segment: String, at: Date?)
    /// A crowd, again and again.
    case recurring(segment: String, Recurrence)
    /// What a person does.
    case event(EventTrigger)
    /// A date of each person's own.
    case date(DateTrigger)
    /// A call of `POST /v1/plans/{key}/trigger`.
    case api
    /// Something that happens to the world.
    case scene(SceneTrigger)
  }
}

/// When a trigger comes round: by a zone's clocks, or by each user's own.
public struct Recurrence: Sendable {
  public let schedule: CronSchedule
  /// Nil: every user's own.
  public let zone: String?
  /// Inclusive.
  public let until: Date?
}

/// `{"event", "where", "occurrence", "unless", "delay"}`
public struct EventTrigger: Sendable {
  public enum Occurrence: String, Sendable, CaseIterable {
    /// Only the first such event of a person's that Herald ever learns of.
    case first
    case any
  }

  /// What must not follow.
  public struct Unless: Sendable {
    public let event: String
    public let filters: [PropertyCondition]
    /// From the triggering event on, inclusive.
    public let within: TimeSpan
    /// A property in which the two must agree.
    public let same: String?
  }

  public let event: String
  public let filters: [PropertyCondition]
  public let occurrence: Occurrence
  public let unless: Unless?
  /// From the event to the first step.
  public let delay: TimeSpan?

  /// From the event to the moment at which all that can prevent the first step is known.
  var hold: Double { Double(max(unless?.within.seconds ?? 0, delay?.seconds ?? 0)) }
}

/// `{"date", "offset", "at", "zone", "repeat"}`
public struct DateTrigger: Sendable {
  public enum Origin: Sendable {
    case attribute(String, isYearly: Bool)
    case event(String, filters: [PropertyCondition], pick: Pick)
  }

  public enum Pick: String, Sendable, CaseIterable {
    /// The latest such event of the person.
    case last
    /// Every one.
    case each
  }

  public enum Repeat: String, Sendable, CaseIterable { case yearly, once }

  public let origin: Origin
  /// From the date to the day of entry; negative before it.
  public let offsetDays: Int
  public let recurrence: Recurrence
}

/// `{"scene", "where", "match", "segment"}`
public struct SceneTrigger: Sendable {
  /// How a property of the scene picks people.
  public struct Match: Sendable {
    public enum Place: Sendable {
      case attribute(String)
      case tag(String)
      /// Who did this event with the same value in a property of it.
      case event(String, property: String, within: TimeSpan?)
    }
    public let property: String
    public let place: Place
  }

  public let scene: String
  public let filters: [PropertyCondition]
  public let match: [Match]
  public let segment: String?
}

/// How often one person may enter.
public struct Reentry: Sendable {
  public enum Period: Sendable {
    case rolling(TimeSpan)
    /// The day, week or month of the calendar; zone nil: the user's own.
    case calendar(Unit, zone: String?)

    public enum Unit: String, Sendable, CaseIterable { case day, week, month }
  }

  public let limit: Int
  /// Nil: ever.
  public let per: Period?
  /// A property of the trigger's event or call: each value of it counts by itself.
  public let key: String?
}

extension PlanDocument.Trigger {
  /// The segment named, if one is.
  var segment: String? {
    switch self {
    case .once(let segment, _), .recurring(let segment, _): segment
    case .scene(let scene): scene.segment
    case .event, .date, .api: nil
    }
  }

  /// When a crowd is launched; nil: on approval.
  var at: Date? {
    if case .once(_, let at) = self { at } else { nil }
  }

  /// Whether people may enter for as long as the plan is live.
  var isStanding: Bool {
    if case .once = self { false } else { true }
  }

  /// Whether people enter one by one, in a run of each day.
  var isStream: Bool {
    switch self {
    case .event, .api: true
    case .once, .recurring, .date, .scene: false
    }
  }

  /// Whether a crowd is launched at times that are known beforehand.
  var isScheduled: Bool {
    switch self {
    case .once(_, let at): at != nil
    case .recurring: true
    case .date, .event, .api, .scene: false
    }
  }

  /// Whether who enters is known to nobody before a call or scene comes.
  var picksAnybody: Bool {
    switch self {
    case .api: true
    case .scene(let scene): scene.segment == nil
    case .once, .recurring, .event, .date: false
    }
  }

  /// Whether what makes people enter has properties that templates can show.
  var bringsProperties: Bool {
    switch self {
    case .event, .api, .scene, .date: true
    case .once, .recurring: false
    }
  }

  var recurrence: Recurrence? {
    switch self {
    case .recurring(_, let recurrence): recurrence
    case .date(let date): date.recurrence
    case .once, .event, .api, .scene: nil
    }
  }

  /// What the trigger refers to by name, as a condition; for streams also who could have entered
  /// lately. Nobody, where that cannot be known beforehand.
  var condition: Condition {
    switch self {
    case .once(let segment, _), .recurring(let segment, _): .segment(key: segment)
    case .event(let trigger):
      .event(
        EventCondition(
          name: trigger.event, filters: trigger.filters,
          within: TimeSpan(seconds: 30 * 86_400).map(Window.rolling)))
    case .date(let date):
      switch date.origin {
      case .attribute(let key, _):
        .attribute(AttributeCondition(key: key, comparisons: [.exists(true)]))
      case .event(let name, let filters, _): .event(EventCondition(name: name, filters: filters))
      }
    case .scene(let scene): scene.segment.map { .segment(key: $0) } ?? .any([])
    case .api: .any([])
    }
  }

  /// Names of events that may end the wait before the first step.
  var awaitedEvents: Set<String> {
    if case .event(let trigger) = self, let unless = trigger.unless { [unless.event] } else { [] }
  }
}
