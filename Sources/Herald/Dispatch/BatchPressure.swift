import Foundation
import JSON
import Postgres

/// Who the people of a batch are, and what the caps say about them. Read under the locks of their
/// lanes, so that it stays true to the end of the transaction; what the batch takes is added.
struct BatchPressure {
  /// By the id a row is for, of those who were merged into somebody since.
  private let merged: [UUID: UUID]
  private let caps: [Cap]
  /// Whether anything is counted at all.
  private let counts: Bool
  private var uses: [UUID: [CapUse]] = [:]
  private var reservations: [UUID: [CapReservation]] = [:]
  /// By the id their rows are for.
  private var rivals: [UUID: [CapRival]] = [:]
  /// People whom another worker is deciding about at this moment.
  private var contended: Set<UUID> = []

  init(
    _ entries: [QueueEntry], of plans: [PlanVersionName: ApprovedPlan], now: Date,
    in tx: Transaction, approved: (PlanVersionName) throws -> ApprovedPlan
  ) throws {
    let marketing = entries.filter { plans[$0.planName]?.isCapped ?? false }
    let caps = marketing.isEmpty ? [] : try CapStore.hold(in: tx)
    self.caps = caps
    let exclusions = Set(marketing.map(\.planName)).compactMap {
      plans[$0]?.document.pressure.exclusion?.within
    }
    let horizon =
      (caps.map { $0.span.horizon(at: now) }
      + exclusions.map { CapSpan.rolling($0).horizon(at: now) }).min()
    counts = horizon != nil
    let lanes = Set(marketing.map(\.lane))
    if horizon != nil { try CapUseStore.lock(lanes: lanes, in: tx) }
    let merged = try UserStore.merged(Array(Set(entries.map(\.userID))), in: tx)
    self.merged = merged
    guard let horizon else { return }
    let people = Set(marketing.map { merged[$0.userID] ?? $0.userID })
    contended = try Self.lock(people.filter { !lanes.contains($0.lane) }, merged, in: tx)
    uses = try CapUseStore.uses(
      of: Array(people.subtracting(contended)), since: horizon, in: tx)
    guard !caps.isEmpty else { return }
    reservations = try CapReservationStore.held(
      for: Array(people.subtracting(contended)), now: now, in: tx)
    rivals = try CapRivalStore.rivals(of: marketing, now: now, in: tx) { name in
      try plans[name] ?? approved(name)
    }
  }

  /// Locks the lanes of people who were merged into another one. Nobody is waited for, since some
  /// lanes are held already: those who could not be had.
  private static func lock(
    _ people: Set<UUID>, _ merged: [UUID: UUID], in tx: Transaction
  ) throws -> Set<UUID> {
    guard !people.isEmpty else { return [] }
    let held = try CapUseStore.tryLock(lanes: Set(people.map(\.lane)), in: tx)
    // Merged again, or parted, before the lock was held.
    let again = try UserStore.merged(
      merged.filter { people.contains($0.value) }.map(\.key), in: tx)
    let moved = merged.filter { people.contains($0.value) && again[$0.key] != $0.value }
    return people.filter { !held.contains($0.lane) }.union(moved.values)
  }

  /// Who a row is for today.
  func person(of entry: QueueEntry) -> UUID { merged[entry.userID] ?? entry.userID }

  func isContended(_ entry: QueueEntry) -> Bool { contended.contains(person(of: entry)) }

  func standing(of entry: QueueEntry) -> CapStanding {
    let person = person(of: entry)
    return CapStanding(
      caps: caps, uses: uses[person] ?? [], reservations: reservations[person] ?? [],
      rivals: rivals[entry.userID] ?? [])
  }

  /// The slot is taken for the rest of the batch.
  mutating func take(_ use: CapUse, by entry: QueueEntry) {
    guard counts else { return }
    let person = person(of: entry)
    uses[person, default: []].removeAll { $0.delivery == use.delivery && $0.link == use.link }
    uses[person, default: []].append(use)
  }
}

extension ApprovedPlan {
  /// Whether the caps hold for it.
  var isCapped: Bool { document.messageClass == .marketing }

  /// What a message of it counts as.
  func use(_ entry: QueueEntry, link: Int, channel: Channel, at now: Date) -> CapUse {
    CapUse(
      at: now, delivery: entry.deliveryID, link: link, channel: channel,
      category: document.category, plan: key, exclusion: document.pressure.exclusion?.group)
  }
}

extension QueueEntry {
  /// The slot it may hold at a link.
  func holder(link: Int) -> CapUseStore.Holder {
    CapUseStore.Holder(user: userID, delivery: deliveryID, link: link)
  }
}
