import Foundation
import JSON

/// One marketing message that counts.
struct CapUse: Sendable, Equatable {
  let at: Date
  let delivery: UUID
  let link: Int
  let channel: Channel
  let category: String?
  let plan: String
  /// The group of plans of which a person gets one only.
  var exclusion: String?
}

/// What the caps have to say about one person.
struct CapStanding: Sendable {
  var caps: [Cap] = []
  /// What they were sent lately, whatever id of theirs it was for; oldest first.
  var uses: [CapUse] = []
  /// Slots that scheduled runs hold in advance.
  var reservations: [CapReservation] = []
  /// What else is due to them at this moment, outside of the batch.
  var rivals: [CapRival] = []

  /// A message that wants a slot.
  struct Wish: Sendable {
    let use: CapUse
    var priority = 50
    /// How long another plan of its group keeps it out.
    var exclusion: TimeSpan?
  }

  /// Why a message may not go out now, and when it might.
  struct Refusal: Sendable {
    let code: SkipCode
    /// The rule, and how it stood.
    let rule: JSONObject
    /// When there is room again if nothing else takes it.
    let until: Date
    /// Who took the last slot, or holds it.
    let winner: CapUse
    var isReserved = false
  }

  /// Nil when nothing stands in the way. Of several refusals the one that holds longest. What the same
  /// delivery holds at the same link does not count.
  func refusal(of wish: Wish, zone: TimeZone) -> Refusal? {
    let known = uses.filter { $0.delivery != wish.use.delivery || $0.link != wish.use.link }
    let found = [
      full(wish.use, known, zone), excluded(wish, known), reserved(wish, known, zone),
    ]
    return found.compactMap(\.self).max { $0.until < $1.until }
  }

  /// Whether a delivery of higher priority, due now too, would get no slot if this one took its own.
  func isOutranked(_ wish: Wish, zone: TimeZone) -> Bool {
    let known = uses.filter { $0.delivery != wish.use.delivery || $0.link != wish.use.link }
    let higher = rivals.filter { rival in
      rival.priority > wish.priority && !uses.contains { $0.delivery == rival.use.delivery }
    }
    guard !higher.isEmpty else { return false }
    let taken = known + higher.map(\.use)
    return full(wish.use, taken, zone) != nil || excluded(wish, taken) != nil
  }

  private func full(_ use: CapUse, _ known: [CapUse], _ zone: TimeZone) -> Refusal? {
    guard !known.isEmpty else { return nil }
    var refusal: Refusal?
    for cap in caps where cap.covers(use.channel, category: use.category) {
      let counted = known.filter {
        cap.covers($0.channel, category: $0.category)
          && cap.span.counts($0.at, at: use.at, zone: zone)
      }
      guard counted.count >= cap.limit, let winner = counted.last else { continue }
      // There is room when so many are over that one less than the limit is left.
      let freeing = counted[counted.count - cap.limit]
      let until = max(cap.span.end(of: freeing.at, zone: zone), use.at.addingTimeInterval(1))
      if refusal.map({ $0.until < until }) ?? true {
        refusal = Refusal(
          code: cap.code, rule: cap.seen(used: counted.count), until: until, winner: winner)
      }
    }
    return refusal
  }

  private func excluded(_ wish: Wish, _ known: [CapUse]) -> Refusal? {
    guard let group = wish.use.exclusion, let within = wish.exclusion else { return nil }
    let span = CapSpan.rolling(within)
    let other = known.last {
      $0.exclusion == group && $0.plan != wish.use.plan
        && span.counts($0.at, at: wish.use.at, zone: .gmt)
    }
    return other.map {
      Refusal(
        code: .excluded,
        rule: ["group": .string(group), "within": .string(within.description)],
        until: max(span.end(of: $0.at, zone: .gmt), wish.use.at.addingTimeInterval(1)), winner: $0)
    }
  }

  /// A slot is held for a scheduled run while sending this message now would leave it none then.
  private func reserved(_ wish: Wish, _ known: [CapUse], _ zone: TimeZone) -> Refusal? {
    var refusal: Refusal?
    for held in reservations where held.outranks(wish) && !held.isRedeemed(by: known) {
      let slot = held.use(at: max(held.dueAt, wish.use.at))
      guard full(slot, known, zone) == nil,
        let lost = full(slot, (known + [wish.use]).sorted { $0.at < $1.at }, zone)
      else { continue }
      if refusal.map({ $0.until < held.until }) ?? true {
        refusal = Refusal(
          code: lost.code, rule: lost.rule, until: held.until, winner: slot, isReserved: true)
      }
    }
    return refusal
  }
}

/// A slot that a scheduled run holds for a person of its crowd until its message has gone out.
struct CapReservation: Sendable {
  let plan: String
  let priority: Int
  let channel: Channel
  let category: String?
  /// When the run is due, and when it has had time enough.
  let dueAt: Date
  let until: Date

  /// Plans of higher priority go first all the same.
  func outranks(_ wish: CapStanding.Wish) -> Bool {
    plan != wish.use.plan && priority >= wish.priority && until > wish.use.at
  }

  func isRedeemed(by uses: [CapUse]) -> Bool {
    uses.contains { $0.plan == plan && $0.at >= dueAt }
  }

  func use(at instant: Date) -> CapUse {
    CapUse(
      at: instant, delivery: UUID(), link: 0, channel: channel, category: category, plan: plan)
  }
}

/// A delivery that is due and may want a slot, too.
struct CapRival: Sendable {
  let use: CapUse
  let priority: Int
}

extension Cap {
  /// As `explain` shows it.
  fileprivate func seen(used: Int) -> JSONObject {
    switch rule {
    case .limit(let limit, let span):
      [
        "cap": .string(key), "limit": .int(limit), "per": span.json, "used": .int(used),
      ]
    case .gap(let gap): ["cap": .string(key), "gap": .string(gap.description)]
    }
  }
}

extension CapStanding.Refusal {
  /// As `explain` shows it.
  var json: JSONValue {
    var json = rule
    json["until"] = .instant(until)
    json[isReserved ? "reserved_for" : "won_by"] =
      isReserved
      ? ["plan": .string(winner.plan), "at": .instant(winner.at)]
      : [
        "plan": .string(winner.plan), "delivery": .id(winner.delivery), "at": .instant(winner.at),
      ]
    return .object(json)
  }
}
