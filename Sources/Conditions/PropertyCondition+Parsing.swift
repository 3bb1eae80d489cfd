import Foundation
import JSON

extension PropertyCondition {
  /// The conditions of a member `where`, all of which must hold; none when it is absent or faulty, so
  /// that those returned stand at their places in the document.
  public static func list(_ reader: ObjectReader) -> [PropertyCondition] {
    let before = reader.faults.count
    let filters = ConditionParser(faults: reader.faults).filters(reader)
    return reader.faults.count == before ? filters : []
  }

  /// Whether an event with these properties satisfies it. `zone`: of the event's user.
  public func holds(for properties: JSONObject, at now: Date, zone: TimeZone) -> Bool {
    holds(for: properties, clock: LocalClock(now: now, zone: zone))
  }

  /// Whether the zone matters.
  public var isLocal: Bool {
    comparisons.contains { comparison in
      switch comparison {
      case .matchesDay, .before, .after: true
      default: false
      }
    }
  }
}
