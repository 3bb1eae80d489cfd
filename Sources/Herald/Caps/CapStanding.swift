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
}

/// What the caps have to say about one person.
struct CapStanding: Sendable {
  var caps: [Cap] = []
  /// What they were sent lately, whatever id of theirs it was for; oldest first.
  var uses: [CapUse] = []

  /// Why a message may not go out now, and when it might.
  struct Refusal: Sendable {
    let cap: Cap
    let used: Int
    /// When the cap has room again if nothing else takes it.
    let until: Date
    /// Who took the last slot.
    let winner: CapUse
  }

  /// The refusal of the cap that holds longest; nil when every cap has room. What the same delivery
  /// holds at the same link does not stand in its own way.
  func refusal(of wish: CapUse, zone: TimeZone) -> Refusal? {
    let known = uses.filter { $0.delivery != wish.delivery || $0.link != wish.link }
    guard !known.isEmpty else { return nil }
    var refusal: Refusal?
    for cap in caps where cap.covers(wish.channel, category: wish.category) {
      let counted = known.filter {
        cap.covers($0.channel, category: $0.category)
          && cap.span.counts($0.at, at: wish.at, zone: zone)
      }
      guard counted.count >= cap.limit, let winner = counted.last else { continue }
      // There is room when so many are over that one less than the limit is left.
      let freeing = counted[counted.count - cap.limit]
      let until = max(cap.span.end(of: freeing.at, zone: zone), wish.at.addingTimeInterval(1))
      if refusal.map({ $0.until < until }) ?? true {
        refusal = Refusal(cap: cap, used: counted.count, until: until, winner: winner)
      }
    }
    return refusal
  }
}

extension CapStanding.Refusal {
  /// As `explain` shows it.
  var json: JSONValue {
    var json: JSONObject = ["cap": .string(cap.key)]
    switch cap.rule {
    case .limit(let limit, let span):
      json["limit"] = .int(limit)
      json["per"] = span.json
      json["used"] = .int(used)
    case .gap(let gap): json["gap"] = .string(gap.description)
    }
    json["until"] = .instant(until)
    json["won_by"] = [
      "plan": .string(winner.plan), "delivery": .id(winner.delivery), "at": .instant(winner.at),
    ]
    return .object(json)
  }
}
