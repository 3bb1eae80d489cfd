import Foundation
import JSON

/// The gates by which marketing plans share people's attention.
extension Gatekeeper {
  func pressure(
    _ entry: QueueEntry, _ link: PlanDocument.Link, at index: Int, _ user: User, _ facts: Facts
  ) -> LinkDecision? {
    guard facts.plan.isCapped else { return nil }
    var caps = facts.caps
    if entry.isInDoubt, index == entry.link {
      // What may have gone out has its slot and gives way to nobody. But it counts from when it goes
      // out again, and others may have taken the room since.
      caps.reservations = []
      caps.rivals = []
    }
    let zone = TimeZone(identifier: user.zone(project: facts.projectZone)) ?? .gmt
    let wish = CapStanding.Wish(
      use: facts.plan.use(entry, link: index, channel: link.channel, at: now),
      priority: facts.plan.document.priority,
      exclusion: facts.plan.document.pressure.exclusion?.within)
    if let refusal = caps.refusal(of: wish, zone: zone) { return .full(refusal) }
    guard caps.isOutranked(wish, zone: zone) else { return nil }
    return .verdict(
      .postpone(Deferral(until: now.addingTimeInterval(Self.courtesy), gate: .caps)))
  }

  /// How long a delivery steps back for one of higher priority that is due, too.
  private static let courtesy = 1.0

  /// Whether the plan would rather wait for room, and may still send then.
  func waits(
    for refusal: CapStanding.Refusal, _ entry: QueueEntry, _ step: PlanDocument.Step,
    _ facts: Facts
  ) -> Bool {
    let document = facts.plan.document
    guard document.pressure.onHit(refusal.code) == .defer else { return false }
    let ends = step.notAfter.map {
      entry.stepEnteredAt.addingTimeInterval(Double($0.seconds))
    }
    return refusal.until <= ends ?? .distantFuture
      && refusal.until < document.window?.until ?? .distantFuture
  }

  /// Quiet hours and holidays. What drops drops at once; what defers waits for the first instant
  /// that nothing which defers forbids.
  func hours(_ user: User, _ facts: Facts) -> LinkDecision? {
    let document = facts.plan.document
    guard facts.plan.isCapped else { return nil }
    let onHoliday = document.pressure.onHoliday
    let home = user.zone(project: facts.projectZone)
    let zone = TimeZone(identifier: home) ?? .gmt
    let quiet = document.quietHours ?? facts.projectQuietHours
    let quietZone = quiet?.zone ?? home
    var sending = SendingHours(
      quiet: quiet.map { ($0, TimeZone(identifier: quietZone) ?? zone) },
      holidays: onHoliday == .ignore ? [] : facts.holidays, zone: zone)
    let isQuiet = sending.isQuiet(at: now)
    let holiday = sending.holiday(at: now)
    guard isQuiet || holiday != nil else { return nil }
    let until = sending.nextAllowedInstant(from: now)
    if isQuiet, quiet?.onHit == .drop {
      return .verdict(
        .skip(
          .quietHours, .quietHours, ["zone": .string(quietZone), "until": .instant(until)]))
    }
    if let holiday, onHoliday == .drop {
      return .verdict(
        .skip(
          .holiday, .quietHours,
          ["holiday": .string(holiday.name), "zone": .string(home), "until": .instant(until)]))
    }
    if onHoliday == .drop { sending.holidays = [] }
    if quiet?.onHit == .drop { sending.quiet = nil }
    let next = sending.nextAllowedInstant(from: now)
    var values: JSONObject = [
      "zone": .string(isQuiet ? quietZone : home), "until": .instant(next),
    ]
    if let holiday { values["holiday"] = .string(holiday.name) }
    return .verdict(
      .postpone(
        Deferral(
          until: next, gate: .quietHours, code: holiday == nil ? .quietHours : .holiday,
          values: .object(values))))
  }
}
