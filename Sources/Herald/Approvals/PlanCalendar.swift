import Foundation
import JSON
import Postgres

/// Which other plans reach people of this one, on which channel and which days.
struct PlanCalendar {
  struct Entry {
    let plan: String
    let name: String
    let state: PlanState
    let launchAt: Date?
    /// Days on which both plans reach people.
    let days: [CivilDay]
    /// Of this plan's people, those the other one may reach too.
    let people: [Channel: Int]

    var most: Int { people.values.max() ?? 0 }
  }

  let entries: [Entry]

  /// `crowd`: over `users u`, the `people` who would enter this plan between `now` and `finishesAt`;
  /// `reach`: who of them can be reached on each of its channels.
  init(
    _ manifest: Manifest, _ document: PlanDocument, crowd: SQL, people: Int,
    reach: [Channel: SQL], finishesAt: Date, now: Date, project: ProjectSettings,
    in tx: Transaction
  ) throws {
    let zone = TimeZone(identifier: project.timeZone) ?? .gmt
    func days(_ document: PlanDocument, launchAt: Date?, until: Date?) -> Set<CivilDay> {
      let start = max(now, launchAt ?? now)
      let seconds =
        until.map { max(0, $0.timeIntervalSince(start)) } ?? document.longestWait(from: start)
      return PlanDays(document, launchAt: launchAt, busyFor: seconds, zone: zone, now: now).days
    }
    let own = days(document, launchAt: document.trigger.at, until: finishesAt)
    let found = try OverlapStore.others(than: manifest.plan, in: tx).compactMap { other in
      let theirs = days(other.plan.document, launchAt: other.launchAt, until: nil)
      let both = own.intersection(theirs).sorted()
      let channels = document.channels.intersection(other.plan.document.channels)
      return both.isEmpty || channels.isEmpty ? nil : (other: other, days: both)
    }.prefix(OverlapStore.limit)
    let crowds = try found.map { found -> (SQL, [Channel]) in
      let plan = found.other.plan
      let fits = try plan.audience(now: now, project, in: tx) ?? "true"
      return (
        "(\(try plan.crowd(now: now, project, in: tx))) AND (\(fits))",
        Array(document.channels.intersection(plan.document.channels))
      )
    }
    let shared = try OverlapStore.shared(
      crowd, people: people, others: crowds.map { (crowd: $0.0, channels: $0.1) }, reach: reach,
      in: tx)
    let all = zip(found, shared).map { found, shared in
      Entry(
        plan: found.other.plan.key, name: found.other.plan.document.name, state: found.other.state,
        launchAt: found.other.launchAt, days: found.days, people: shared.filter { $0.value > 0 })
    }
    entries = Array(
      all.filter { !$0.people.isEmpty }.sorted { $0.most > $1.most }.prefix(Self.limit))
  }

  /// Those with the most people in common.
  private static let limit = 20

  var overlaps: [JSONValue] {
    entries.map { entry in
      [
        "plan": .string(entry.plan), "name": .string(entry.name),
        "state": .string(entry.state.rawValue), "launch_at": .instant(entry.launchAt),
        "from": .string(entry.days.first?.description ?? ""),
        "until": .string(entry.days.last?.description ?? ""),
        "people": .counts(Self.byName(entry.people)),
      ]
    }
  }

  /// Day by day, where there is something to say.
  var days: [JSONValue] {
    Set(entries.flatMap(\.days)).sorted().map { day in
      let plans = entries.filter { $0.days.contains(day) }.flatMap { entry in
        entry.people.sorted { $0.key.rawValue < $1.key.rawValue }.map { channel, count in
          [
            "plan": .string(entry.plan), "channel": .string(channel.rawValue),
            "people": .int(count),
          ] as JSONValue
        }
      }
      return ["day": .string(day.description), "plans": .array(plans)]
    }
  }

  private static func byName(_ counts: [Channel: Int]) -> [String: Int] {
    counts.reduce(into: [:]) { $0[$1.key.rawValue] = $1.value }
  }

  static let overlapSchema = Schema.object([
    "plan": Schema.key, "name": Schema.string,
    "state": Schema.choice(PlanState.allCases.map(\.rawValue)),
    "launch_at": Schema.nullable(Schema.instant), "from": day, "until": day,
    "people": Schema.counts,
  ])
  static let daySchema = Schema.object([
    "day": day,
    "plans": Schema.array(
      Schema.object([
        "plan": Schema.key, "channel": Schema.choice(Channel.allCases.map(\.rawValue)),
        "people": Schema.count,
      ])),
  ])
  private static let day: JSONValue = [
    "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
  ]
}
