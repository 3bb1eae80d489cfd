import Foundation
import JSON
import Postgres

/// What a batch came to, gathered and then written in one transaction: attempts,
/// delivery states, rows that come back later, and where each person goes next.
struct Settlement {
  /// One line of `attempts`.
  struct Attempt {
    let entry: QueueEntry
    let link: Int
    let channel: Channel
    /// 0 for a link that was skipped without a hand-over.
    let number: Int
    let sender: String?
    let status: String
    let reason: String?
    let providerID: String?
    let startedAt: Date
  }

  /// The state a delivery has from now on.
  struct Outcome {
    let entry: QueueEntry
    let status: DeliveryStatus
    let reason: String?
    let gate: String?
    let values: JSONValue?
    let channel: Channel?
    let sender: String?
    let providerID: String?
  }

  /// A step that begins for somebody.
  struct Opening {
    let entry: QueueEntry
    let step: PlanDocument.Successor
    /// Of the delivery, or of the work when the step sends nothing.
    let deliveryID: UUID
  }

  /// A step that sends nothing ends for somebody.
  struct Departure {
    let entry: QueueEntry
    let state: StepVisitState
    let outcome: String
    let values: JSONValue?
  }

  let lease: UUID
  private(set) var attempts: [Attempt] = []
  private(set) var outcomes: [Outcome] = []
  private(set) var postponements: [QueueStore.Postponement] = []
  private(set) var closed: [QueueEntry.Key] = []
  private(set) var openings: [Opening] = []
  private(set) var departures: [Departure] = []
  private(set) var waits: [QueueStore.Wait] = []
  private(set) var endings: [EnrolmentStore.Ending] = []
  /// Deliveries that wait, and what for.
  private(set) var deferrals: [(entry: QueueEntry, why: Gatekeeper.Deferral)] = []
  private(set) var slots: [CapUseStore.Holder: QueueEntry.Key] = [:]

  init(lease: UUID) { self.lease = lease }

  var isEmpty: Bool {
    attempts.isEmpty && outcomes.isEmpty && postponements.isEmpty && closed.isEmpty
      && waits.isEmpty
  }

  mutating func record(_ attempt: Attempt) { attempts.append(attempt) }

  mutating func set(_ outcome: Outcome) {
    outcomes.append(outcome)
    let isOut = outcome.status == .sent || outcome.status == .unknown
    // Only what was prepared once may hold a slot.
    if !isOut, outcome.entry.sender != nil {
      giveBack(outcome.entry, link: outcome.entry.link)
    }
  }

  /// Nothing went out: the slot of the caps is free again.
  mutating func giveBack(_ entry: QueueEntry, link: Int) {
    slots[entry.holder(link: link)] = entry.key
  }

  mutating func postpone(
    _ entry: QueueEntry, until: Date?, link: Int? = nil, phase: QueueEntry.Phase = .send,
    tries: Int = 0, sender: String? = nil, content: JSONValue? = nil, doubt: Date? = nil
  ) {
    postponements.append(
      QueueStore.Postponement(
        key: entry.key, dueAt: until, link: link ?? entry.link, phase: phase, tries: tries,
        sender: sender, content: content, doubt: doubt))
  }

  /// As it is, to be looked at again later.
  mutating func keep(_ entry: QueueEntry, until: Date?) {
    postpone(
      entry, until: until, phase: entry.phase, tries: entry.tries, sender: entry.sender,
      content: entry.content, doubt: entry.handedOverAt)
  }

  /// As `keep`, and says why.
  mutating func put(off entry: QueueEntry, _ why: Gatekeeper.Deferral) {
    keep(entry, until: why.until)
    if why.code != nil { deferrals.append((entry, why)) }
  }

  /// A step that sends nothing is over. To be followed by `advance` or `exit`.
  mutating func depart(
    _ entry: QueueEntry, _ state: StepVisitState, _ outcome: String, _ values: JSONValue? = nil
  ) {
    departures.append(
      Departure(entry: entry, state: state, outcome: outcome, values: values))
  }

  /// The step goes on waiting: for the instant, or for one of the events.
  mutating func wait(_ entry: QueueEntry, until: Date, for events: [String]) {
    waits.append(QueueStore.Wait(key: entry.key, until: until, events: events))
  }

  /// The work of a delivery, step or timer is over; the person goes on to `next`, or is through.
  mutating func advance(_ entry: QueueEntry, to next: PlanDocument.Successor?) {
    closed.append(entry.key)
    if let next {
      openings.append(Opening(entry: entry, step: next, deliveryID: UUID()))
    } else {
      endings.append(
        EnrolmentStore.Ending(
          enrolment: entry.enrolment, state: "finished", reason: nil))
    }
  }

  /// The work is over and the person leaves the plan.
  mutating func exit(_ entry: QueueEntry, reason: String, _ values: JSONValue? = nil) {
    closed.append(entry.key)
    endings.append(
      EnrolmentStore.Ending(
        enrolment: entry.enrolment, state: "exited", reason: reason, values: values))
  }

  /// Writes what still belongs to the lease; rows that another worker has taken over meanwhile are
  /// left to it. Returns how many were refused.
  @discardableResult
  func apply(now: Date, in tx: Transaction) throws -> Int {
    let leaving = Set(closed)
    let staying = Set(
      outcomes.map(\.entry.key) + postponements.map(\.key) + attempts.map(\.entry.key)
        + waits.map(\.key) + slots.values
    ).subtracting(leaving)
    // Deleting a row says as well as locking it whether the lease still holds it.
    let left = try QueueStore.delete(closed, lease: lease, in: tx)
    let held = left.union(try QueueStore.held(staying, lease: lease, in: tx))
    try DeliveryStore.insert(
      attempts.filter { held.contains($0.entry.deliveryID) }, now: now, in: tx)
    try DeliveryStore.update(
      changes.filter { held.contains($0.entry.deliveryID) }, now: now, in: tx)
    try CapUseStore.giveBack(
      slots.keys.filter { held.contains($0.delivery) }, in: tx)
    // The provider's receipt may have been quicker than its answer.
    let unknown = outcomes.filter { $0.status == .unknown && held.contains($0.entry.deliveryID) }
    try ReceiptStore.settleUnknown(
      withReceipts: unknown.map { (user: $0.entry.userID, delivery: $0.entry.deliveryID) },
      now: now, in: tx)
    try QueueStore.postpone(
      postponements.filter { held.contains($0.key.id) }, lease: lease, in: tx)
    try QueueStore.wait(waits.filter { held.contains($0.key.id) }, lease: lease, in: tx)
    try StepVisitStore.leave(
      departures.filter { left.contains($0.entry.deliveryID) }, now: now, in: tx)
    let begun = openings.filter { left.contains($0.entry.deliveryID) }
    try DeliveryStore.open(begun.filter { $0.step.kind.delivers }, now: now, in: tx)
    try StepVisitStore.open(begun.filter { !$0.step.kind.delivers }, now: now, in: tx)
    try EnrolmentStore.end(
      zip(closedEndings, endings).filter { left.contains($0.0) }.map(\.1), now: now, in: tx)
    let ended = attempts.filter { $0.number > 0 && held.contains($0.entry.deliveryID) }
    try PlanGuardStore.count(
      ended.map { (plan: $0.entry.plan, outcome: $0.status) }, shard: Int(lease.uuid.15), now: now,
      in: tx)
    return leaving.count + staying.count - held.count
  }

  /// Attempts and outcomes by delivery, so that its row is written once.
  private var changes: [DeliveryStore.Change] {
    var changes: [DeliveryStore.Change] = []
    var places: [UUID: Int] = [:]
    func change(_ entry: QueueEntry, _ body: (inout DeliveryStore.Change) -> Void) {
      let place = places[entry.deliveryID] ?? changes.count
      if place == changes.count {
        places[entry.deliveryID] = place
        changes.append(DeliveryStore.Change(entry: entry))
      }
      body(&changes[place])
    }
    for attempt in attempts where attempt.number > 0 {
      change(attempt.entry) {
        $0.attempts += 1
        if attempt.status == AttemptStatus.failed.rawValue { $0.failure = attempt.reason }
      }
    }
    for deferral in deferrals { change(deferral.entry) { $0.deferral = deferral.why } }
    for outcome in outcomes { change(outcome.entry) { $0.outcome = outcome } }
    return changes
  }

  /// The deliveries whose closing ended an enrolment, in the order of `endings`.
  private var closedEndings: [UUID] {
    let opened = Set(openings.map(\.entry.deliveryID))
    return closed.map(\.id).filter { !opened.contains($0) }
  }
}
