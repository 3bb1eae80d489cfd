import Foundation
import Cryptography
import HTTP
import JSON
import Postgres

/// Uploads that are worked on after their request was answered.
public struct Jobs: Sendable {
  let db: Database
  private let wake: Wake

  /// `wake` is called when a job is ready for a `JobRunner`.
  public init(db: Database, wake: Wake) {
    self.db = db
    self.wake = wake
  }

  func get(_ id: UUID) async throws -> Job {
    try await db.read { try JobStore.load(id, in: $0) }
  }

  func list(_ page: PageRequest, state: String?) async throws -> Page<Job> {
    let rows = try await db.read { try JobStore.list(page, state: state, in: $0) }
    return Page(rows, page) { [$0.id.text] }
  }

  /// Stores an upload as it comes in, never whole in memory, and queues its import.
  func receive(
    _ kind: Job.Kind, _ format: Job.Format, firesTriggers: Bool = false, _ body: BodyStream,
    by caller: Caller, now: Date
  ) async throws -> UUID {
    guard caller.userScope == nil else {
      throw HeraldError(.forbidden, "A key with a user scope cannot import; use the batch calls.")
    }
    let id = UUIDv7.next(now: now)
    // Not by `db.write`: an Idempotency-Key is used up when the whole upload is queued.
    try await db.pool.write { tx in
      if case .segment(let key) = kind {
        guard try SegmentStore.load(key, in: tx).segment.kind == .list else {
          throw HeraldError(
            .wrongState, "Segment '\(key)' has a rule; only a static list can be imported.")
        }
      }
      try JobStore.insert(
        id, kind: kind, format: format, firesTriggers: firesTriggers, by: caller, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "job.created", "job", id.text,
          after: ["kind": .string(kind.text), "triggers": .bool(firesTriggers)], by: caller,
          at: now),
        in: tx)
    }
    do {
      try await store(body, of: id, format, now: now)
    } catch {
      _ = try? await db.pool.write { tx in
        try JobStore.end(
          id, .failed, problem: "The upload broke off; send the file again.", now: now, in: tx)
      }
      throw error
    }
    wake.call()
    return id
  }

  private func store(
    _ body: BodyStream, of id: UUID, _ format: Job.Format, now: Date
  ) async throws {
    var counter = RecordCounter(isCSV: format == .csv)
    var buffer: [UInt8] = []
    var chunks = 0
    var bytes = 0
    for try await piece in body {
      counter.add(piece)
      bytes += piece.count
      buffer += piece
      while buffer.count >= Job.chunkBytes {
        try await add(Array(buffer.prefix(Job.chunkBytes)), chunks, to: id)
        buffer.removeFirst(Job.chunkBytes)
        chunks += 1
      }
    }
    counter.finish()
    if !buffer.isEmpty { try await add(buffer, chunks, to: id) }
    let size = bytes
    let records = format == .csv ? max(0, counter.records - 1) : counter.records
    let isQueued = try await db.write { tx in
      try JobStore.queue(id, bytes: size, total: records, now: now, in: tx)
    }
    if !isQueued { throw HeraldError(.wrongState, "The job was cancelled meanwhile.") }
  }

  private func add(_ chunk: [UInt8], _ n: Int, to id: UUID) async throws {
    // By the clock, not by the request's time: it tells a slow upload from one given up.
    let now = Date()
    let isWanted = try await db.pool.write { tx in
      try JobStore.addChunk(id, n, chunk, now: now, in: tx)
    }
    if !isWanted { throw HeraldError(.wrongState, "The job was cancelled meanwhile.") }
  }

  /// What is imported stays; nothing further is. 409 when the job is over.
  func cancel(_ id: UUID, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      let job = try JobStore.load(id, in: tx)
      guard try JobStore.end(id, .cancelled, now: now, in: tx) else {
        throw HeraldError(.wrongState, "The job is \(job.state.rawValue) already.")
      }
      try AuditStore.append(
        AuditEntry("job.cancelled", "job", id.text, by: caller, at: now), in: tx)
    }
  }

  /// Called by the housekeeper. Nil keeps jobs for ever.
  func prune(olderThan days: Int?, now: Date) async throws {
    guard let days else { return }
    let before = now.addingTimeInterval(-Double(days) * 86_400)
    var pruned = Self.pruneLimit
    while pruned == Self.pruneLimit, !Task.isCancelled {
      pruned = try await db.pool.write { tx in
        try JobStore.prune(before: before, limit: Self.pruneLimit, in: tx)
      }
    }
  }

  /// Jobs of one transaction: each may have many error lines.
  private static let pruneLimit = 20

  /// The faults of a job as CSV, written page by page.
  func writeErrors(of id: UUID, to writer: ResponseWriter) async throws {
    try await writer.write(CSVText.line(["line", "code", "pointer", "detail"]))
    var last: RecordFault?
    while true {
      let position = last
      let faults = try await db.read {
        try JobErrorStore.list(of: id, after: position, limit: 1000, in: $0)
      }
      guard !faults.isEmpty else { return }
      let lines = faults.flatMap {
        CSVText.line([String($0.line), $0.code, $0.pointer, $0.detail])
      }
      try await writer.write(lines)
      last = faults.last
    }
  }
}
