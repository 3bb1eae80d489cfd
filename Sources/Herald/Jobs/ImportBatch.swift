import Foundation
import JSON
import Postgres

/// The next records of a job's upload, read and stored in the transaction that also moves the job on:
/// whatever kills the process, no record is lost or done twice.
struct ImportBatch {
  /// Of one record.
  static let recordBytes = 1 << 20
  /// Of a longer record, which is left out by itself when it ends within so many; a quote that was
  /// never closed would make one of the whole file.
  static let searchBytes = 8 << 20

  let job: Job
  let kind: Job.Kind
  let intake: EventIntake
  let caller: Caller
  let now: Date
  /// Records at most.
  let size: Int

  /// What was done; `isLast` when the upload is at its end.
  struct Outcome {
    var progress: Job.Progress
    var done: Int
    var failed: Int
    var isLast: Bool
  }

  /// These have no partition of events yet; it cannot be made while events are written. The batch is
  /// to be run again when they have.
  struct MissingMonths: Error {
    let months: [Month]
  }

  func run(in tx: Transaction) throws -> Outcome {
    var reader = UploadReader(job, size: size)
    let slices = try reader.read { try JobStore.read(job.id, at: $0, in: tx) }
    var progress = reader.progress
    let (records, unread) = try parse(slices, &progress)
    let refused = try store(records, in: tx)
    let faults = unread + refused
    try JobErrorStore.add(
      Array(faults.prefix(max(0, JobErrorStore.limit - job.failed))), to: job.id, in: tx)
    let done = records.count + unread.count
    return Outcome(
      progress: progress, done: done, failed: faults.count, isLast: reader.isAtEnd)
  }

  private typealias Placed = (line: Int, record: ImportRecord)

  /// The good records and the faults of the others. The header of a CSV file is checked, and kept
  /// in `progress`, when it comes by.
  private func parse(
    _ slices: [UploadReader.Slice], _ progress: inout Job.Progress
  ) throws -> (records: [Placed], faults: [RecordFault]) {
    let reader = ImportReader(kind: kind, now: now)
    var columns = try progress.columns.map { try ImportColumn.read($0, for: kind) }
    var records: [Placed] = []
    var faults: [RecordFault] = []
    for slice in slices {
      let reading: Result<ImportRecord, JSONFault>
      switch slice.content {
      case .line(let bytes): reading = reader.read(line: bytes)
      case .malformed(let detail):
        if job.format == .csv, columns == nil { throw Self.noHeader(slice.line, detail) }
        reading = .failure(JSONFault("invalid_csv", detail))
      case .tooLong(let bytes):
        let detail = "A record has at most 1 MiB; this one has \(bytes) bytes."
        if job.format == .csv, columns == nil { throw Self.noHeader(slice.line, detail) }
        reading = .failure(JSONFault(.tooLong, detail))
      case .cells(let cells):
        guard let known = columns, let header = progress.columns else {
          let header = try cells.map(ImportColumn.name)
          columns = try ImportColumn.read(header, for: kind)
          progress.columns = header
          continue
        }
        reading = reader.read(cells, known, header: header)
      }
      switch reading {
      case .success(let record): records.append((slice.line, record))
      case .failure(let fault): faults.append(RecordFault(line: slice.line, fault))
      }
    }
    return (records, faults)
  }

  private static func noHeader(_ line: Int, _ detail: String) -> HeraldError {
    HeraldError(.invalid, "The header on line \(line) cannot be read. \(detail)")
  }

  private func store(_ records: [Placed], in tx: Transaction) throws -> [RecordFault] {
    let outcomes = try tx.bisecting(
      records, { (some: [Placed]) -> [RecordFault?] in try store(some, of: kind, in: tx) },
      refused: { record, error -> RecordFault? in
        RecordFault(line: record.line, code: "unstorable", pointer: "", detail: error.message)
      })
    return outcomes.compactMap { $0 }
  }

  private func store(
    _ records: [Placed], of kind: Job.Kind, in tx: Transaction
  ) throws -> [RecordFault?] {
    switch kind {
    case .users: try storeUsers(records, in: tx)
    case .events: try storeEvents(records, in: tx)
    case .segment: try storeMembers(records, in: tx)
    }
  }

  private func storeUsers(_ records: [Placed], in tx: Transaction) throws -> [RecordFault?] {
    let items = records.map { record -> UserChanges.Item in
      guard case .user(let change) = record.record else { return .init(change: UserChange()) }
      return .init(change: change)
    }
    return zip(
      records, try UserChanges.apply(items, source: "import", by: caller, now: now, in: tx)
    ).map { record, outcome in
      guard case .refused(let error) = outcome else { return nil }
      return RecordFault(line: record.line, error)
    }
  }

  private func storeEvents(_ records: [Placed], in tx: Transaction) throws -> [RecordFault?] {
    let events = records.compactMap { record -> IncomingEvent? in
      guard case .event(let event) = record.record else { return nil }
      return IncomingEvent(
        event, source: IncomingEvent.apiSource, receivedAt: now, by: caller.principal)
    }
    try checkMonths(events, in: tx)
    // Repeats are not faults: a file may be imported again.
    return zip(records, try intake.store(events, isLive: job.firesTriggers, now: now, in: tx)).map {
      record, outcome in
      guard case .rejected(let code, let field, let detail) = outcome else { return nil }
      return RecordFault(
        line: record.line, code: code, pointer: field.isEmpty ? "" : "/\(field)", detail: detail)
    }
  }

  private func checkMonths(_ events: [IncomingEvent], in tx: Transaction) throws {
    let oldest = Month(of: now).adding(-12 * Partitions.yearsBack)
    let wanted = Set(events.lazy.map { Month(of: $0.timestamp) }).filter { $0 >= oldest }
    let missing = wanted.subtracting(try PartitionStore.months(of: .events, in: tx))
    guard missing.isEmpty else { throw MissingMonths(months: missing.sorted()) }
  }

  private func storeMembers(_ records: [Placed], in tx: Transaction) throws -> [RecordFault?] {
    let refs = records.compactMap { record -> UserRef? in
      guard case .member(let ref) = record.record else { return nil }
      return ref
    }
    let users = try UserStore.resolve(refs, in: tx)
    try JobMemberStore.add(users.compactMap { $0 }, to: job.id, in: tx)
    return zip(records, users).map { record, user in
      user == nil ? RecordFault(line: record.line, UserRef.notFound) : nil
    }
  }
}
