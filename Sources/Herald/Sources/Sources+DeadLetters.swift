import Foundation
import JSON
import Postgres

/// What became of dead letters that were tried again.
struct ReplayReport: Sendable {
  var accepted = 0
  var duplicates = 0
  var ignored = 0
  var failed = 0

  mutating func add(_ outcome: ItemOutcome) {
    switch outcome {
    case .accepted: accepted += 1
    case .duplicate: duplicates += 1
    case .ignored: ignored += 1
    case .dead: failed += 1
    }
  }
}

extension Sources {
  /// Forgets those older than their retention. Called by the housekeeper.
  func pruneDeadLetters(now: Date) async throws {
    let before = now.addingTimeInterval(-DeadLetter.retention)
    try await db.pool.write { tx in _ = try DeadLetterStore.prune(before: before, in: tx) }
  }

  func deadLetters(
    of key: String, _ page: PageRequest, for caller: Caller
  ) async throws -> Page<DeadLetter> {
    try Self.requireUnscoped(caller)
    let rows = try await db.read { db in
      _ = try SourceStore.load(key, in: db)
      return try DeadLetterStore.list(key, page, in: db)
    }
    return Page(rows, page) { [$0.id.text] }
  }

  func deadLetter(_ id: UUID, of key: String, for caller: Caller) async throws -> DeadLetter {
    try Self.requireUnscoped(caller)
    return try await db.read { db in
      _ = try SourceStore.load(key, in: db)
      return try DeadLetterStore.load(key, id, in: db)
    }
  }

  func discard(_ id: UUID, of key: String, by caller: Caller, now: Date) async throws {
    try Self.requireUnscoped(caller)
    try await db.write { tx in
      guard try DeadLetterStore.delete(key, [id], in: tx) == 1 else {
        throw HeraldError.notFound("dead letter", id.text)
      }
      try AuditStore.append(
        AuditEntry(
          "source.dead_letter_discarded", "source", key, after: ["id": .id(id)], by: caller,
          at: now), in: tx)
    }
  }

  /// Maps it again as the source is now. What goes through is no dead letter any more; what does not
  /// has the new reasons.
  func replay(
    _ id: UUID, of key: String, by caller: Caller, now: Date
  ) async throws -> ItemOutcome {
    try Self.requireUnscoped(caller)
    return try await db.write { [intake] tx in
      let source = try SourceStore.load(key, in: tx).source
      guard let letter = try DeadLetterStore.lock(key, id, in: tx) else {
        throw HeraldError.notFound("dead letter", id.text)
      }
      let outcomes = try Self.replay([letter], source, intake, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "source.replayed", "source", key, after: ["id": .id(id)], by: caller, at: now), in: tx)
      return outcomes.first ?? .ignored
    }
  }

  static let replayBatch = 200

  /// All that are there now, oldest first, in transactions of some hundred.
  func replayAll(of key: String, by caller: Caller, now: Date) async throws -> ReplayReport {
    try Self.requireUnscoped(caller)
    let newest = try await db.write { tx in
      _ = try SourceStore.load(key, in: tx)
      try AuditStore.append(
        AuditEntry("source.replayed", "source", key, after: ["all": true], by: caller, at: now),
        in: tx)
      return try DeadLetterStore.newest(key, in: tx)
    }
    var report = ReplayReport()
    var last: UUID?
    guard let end = newest else { return report }
    while true {
      let after = last
      let batch = try await db.write { [intake] tx in
        let source = try SourceStore.load(key, in: tx).source
        let letters = try DeadLetterStore.lock(
          key, after: after, upTo: end, limit: Self.replayBatch, in: tx)
        let outcomes = try Self.replay(letters, source, intake, now: now, in: tx)
        return (last: letters.last?.id, outcomes: outcomes)
      }
      for outcome in batch.outcomes { report.add(outcome) }
      guard let next = batch.last else { return report }
      last = next
    }
  }

  private static func replay(
    _ letters: [DeadLetter], _ source: Source, _ intake: SourceIntake, now: Date,
    in tx: Transaction
  ) throws -> [ItemOutcome] {
    guard !letters.isEmpty else { return [] }
    // As of its arrival: what names no time of its own happened then.
    let mapped = letters.map {
      (item: map($0, source.mapping, now: now), receivedAt: $0.receivedAt)
    }
    let outcomes = try intake.store(mapped, of: source, now: now, in: tx)
    var done: [UUID] = []
    var failed: [(id: UUID, faults: [JSONValue])] = []
    for (letter, outcome) in zip(letters, outcomes) {
      if case .dead(let faults) = outcome {
        failed.append((letter.id, Array(faults.prefix(20))))
      } else {
        done.append(letter.id)
      }
    }
    if !done.isEmpty { _ = try DeadLetterStore.delete(source.key, done, in: tx) }
    if !failed.isEmpty { try DeadLetterStore.noteTries(source.key, failed, now: now, in: tx) }
    return outcomes
  }

  private static func map(_ letter: DeadLetter, _ mapping: SourceMapping, now: Date) -> MappedItem {
    guard !letter.isTruncated else {
      return .faulty([
        MappingFault(
          .tooLong, .root, at: .root,
          "Only the first \(DeadLetter.bodyBytes) bytes were kept; have it sent again.")
      ])
    }
    do throws(JSONFault) {
      let value = try JSONScanner.parse(letter.body)
      return mapping.map(
        ForeignItem(value, headers: letter.headers, index: letter.index),
        deliveryID: letter.deliveryID, now: now)
    } catch {
      return .faulty([MappingFault(error.code, .root, at: error.pointer, error.detail)])
    }
  }
}
