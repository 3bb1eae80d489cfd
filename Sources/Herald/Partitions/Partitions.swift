import Foundation
import Logging
import Postgres

/// Makes months of the large tables before they begin, drops those that are no longer kept, and
/// forgets old message ids. Any number of processes may do it beside each other.
public struct Partitions: Sendable {
  let db: Database
  let settings: @Sendable () async throws -> ProjectSettings
  let logger: Logger

  /// Months made ahead, the current one included.
  static let ahead = 3
  /// Imports make the months of their events this far back; older ones go to the default partition.
  static let yearsBack = 30
  /// Rows of the default partition that are looked at, and moved to a month of their own at once.
  static let strayLimit = 20_000
  /// Rows deleted, and pages of keys walked over, in one transaction.
  static let chunk = 5000
  static let pageChunk = 2048

  /// Tells the planner of months of events that it knows nothing of yet, whether there were any. Until
  /// it does, which autovacuum may put off for a minute, a condition over events may read the wrong index
  /// once for every user.
  func analyzeNew() async throws -> Bool {
    try await db.pool.write(timeout: .seconds(60)) { tx in
      guard try PartitionStore.hasUnknownEvents(in: tx) else { return false }
      try JobStore.analyze(.events, in: tx)
      return true
    }
  }

  /// This month and the next ones of every table, and months that live rows have strayed from.
  func make(now: Date) async throws {
    let current = Month(of: now)
    for table in PartitionedTable.allCases {
      try await make((0..<Self.ahead).map(current.adding), of: table)
      let strays = try await db.read {
        try PartitionStore.strays(of: table, limit: Self.strayLimit, in: $0)
      }
      // A full look means that a month may hold any number: moving it would hold up everybody.
      guard strays.values.reduce(0, +) < Self.strayLimit else { continue }
      let first = table.firstKept(try await settings().retention, now: now)
      let wanted = strays.filter { month, count in
        count >= 100 && first.map { month >= $0 } ?? true
      }
      try await make(wanted.keys.sorted(), of: table)
    }
  }

  /// Makes those of `months` that are missing, one transaction each. Where others are at the table
  /// it lets them go on and tries again, some ten times.
  func make(_ months: [Month], of table: PartitionedTable) async throws {
    let known = try await db.read { try PartitionStore.months(of: table, in: $0) }
    for month in months where !known.contains(month) {
      for tries in 1... {
        do {
          _ = try await db.pool.write(timeout: .seconds(600)) { tx in
            try PartitionStore.make(month, of: table, in: tx)
          }
          break
        } catch let error as PostgresError where error.sqlState == "55P03" && tries < 10 {
          try await Task.sleep(for: .milliseconds(300))
        }
      }
    }
  }

  /// Drops what the settings no longer keep.
  func drop(now: Date) async throws {
    let retention = try await settings().retention
    for table in PartitionedTable.allCases {
      guard let first = table.firstKept(retention, now: now) else { continue }
      let known = try await db.read { try PartitionStore.months(of: table, in: $0) }
      for month in known.filter({ $0 < first }).sorted() {
        let isGone = try await db.pool.write(timeout: .seconds(600)) { tx in
          try PartitionStore.drop(month, of: table, in: tx)
        }
        if isGone {
          logger.notice("dropped a month", metadata: ["table": "\(table.rawValue)_\(month.suffix)"])
        }
      }
      // Deliveries that strayed have no totals sealed: they stay.
      guard table == .events || table == .receipts || table == .capUses else { continue }
      while try await db.pool.write({ tx in
        try PartitionStore.deleteStrays(of: table, before: first, limit: Self.chunk, in: tx)
      }) == Self.chunk { try Task.checkCancellation() }
    }
  }

  /// Forgets message ids beyond the horizon, once a day by one process: chunk by chunk, so that no
  /// transaction is long. How many.
  @discardableResult
  func forgetMessages(now: Date) async throws -> Int {
    let isMine = try await db.pool.write { tx in
      try PartitionStore.claim("message_ids", every: 20 * 3600, now: now, in: tx)
    }
    guard isMine else { return 0 }
    let days = try await settings().retention.messageIDDays
    let horizon = now.addingTimeInterval(-Double(days) * 86_400)
    var forgotten = 0
    for part in try await db.read({ try EventKeyStore.parts(in: $0) }) {
      let pages = try await db.read { try EventKeyStore.pages(of: part, in: $0) }
      for start in stride(from: 0, to: pages, by: Self.pageChunk) {
        forgotten += try await db.pool.write { tx in
          try EventKeyStore.prune(
            part, pages: start..<start + Self.pageChunk, before: horizon, in: tx)
        }
        try Task.checkCancellation()
      }
    }
    return forgotten
  }
}
