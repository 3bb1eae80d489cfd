import Conditions
import Foundation
import JSON

extension PlanDocument.WaitUntil {
  init?(_ reader: ObjectReader) {
    defer { reader.finish() }
    guard reader.has("event") != reader.has("at") else {
      reader.allow("event", "at", "where", "same", "since", "timeout", "zone")
      reader.faults.add(
        reader.has("event") ? .invalidFormat : .required, at: reader.pointer,
        "Wait either for an 'event' or for a time ('at').")
      return nil
    }
    if reader.has("event") {
      let name = reader.string("event", required: true, minLength: 1, maxLength: 200)
      let filters = PropertyCondition.list(reader)
      let same = reader.string("same", minLength: 1, maxLength: 128)
      let since = reader.choice("since", PlanDocument.AwaitedEvent.Since.self) ?? .entry
      let timeout = reader.duration("timeout", required: true, range: TimeSpan.positive)
      guard let name, let timeout else { return nil }
      self = .event(
        PlanDocument.AwaitedEvent(
          name: name, filters: filters, same: same, since: since, timeout: timeout))
    } else if let text = reader.value("at")?.stringValue, TextPattern.timeOfDay.matches(text) {
      let zone = reader.string("zone", maxLength: 64) ?? "user"
      if zone != "user", !TimeZones.isKnown(zone) {
        reader.add(
          .invalidFormat, "zone", "'user' or an IANA zone such as Asia/Shanghai is expected here.")
      }
      let parts = text.split(separator: ":").compactMap { Int($0) }
      guard parts.count == 2 else { return nil }
      self = .timeOfDay(minute: parts[0] * 60 + parts[1], zone: zone == "user" ? nil : zone)
    } else if let instant = reader.instant("at", required: true) {
      self = .instant(instant)
    } else {
      return nil
    }
  }

  var isEvent: Bool { if case .event = self { true } else { false } }
}

extension PlanDocument.StepResult {
  /// As documents spell it.
  enum Word: String, CaseIterable {
    case sent, failed, skipped, unknown
    case delivered, opened, clicked, bounced, unsubscribed, uninstalled

    var result: PlanDocument.StepResult {
      switch self {
      case .sent: .status(.sent)
      case .failed: .status(.failed)
      case .skipped: .status(.skipped)
      case .unknown: .status(.unknown)
      case .delivered: .receipt(.delivered)
      case .opened: .receipt(.opened)
      case .clicked: .receipt(.clicked)
      case .bounced: .receipt(.bounced)
      case .unsubscribed: .receipt(.unsubscribed)
      case .uninstalled: .receipt(.uninstalled)
      }
    }
  }
}

extension PlanDocument.TagChange {
  init?(_ reader: ObjectReader) {
    add = reader.string("add", pattern: .key)
    remove = reader.string("remove", pattern: .key)
    value = reader.value("value") ?? true
    if reader.has("value"), !reader.has("add") {
      reader.add(.required, "add", "A value belongs to the tag that is added.")
    }
    switch value {
    case .bool(true), .string, .number: break
    default:
      reader.add(.typeMismatch, "value", "A tag's value is true, a string or a number.")
    }
    if !reader.has("add"), !reader.has("remove") {
      reader.faults.add(
        .required, at: reader.pointer, "Name the tag to 'add' or the one to 'remove'.")
    }
    reader.finish()
    guard add != nil || remove != nil else { return nil }
  }
}

extension PlanDocument.Exit {
  init?(_ reader: ObjectReader) {
    onGoal = reader.bool("on_goal") ?? false
    onLeavingAudience = reader.bool("on_leaving_audience") ?? false
    reader.finish()
  }
}
