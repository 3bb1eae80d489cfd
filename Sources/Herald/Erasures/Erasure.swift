import Cryptography
import Foundation
import JSON

/// That a person was erased: when, for whom, and what was done table by table.
struct Erasure: Sendable {
  enum State: String, Sendable, CaseIterable {
    /// What identifies the person is gone; a long history is still being gone through.
    case running
    case completed
  }

  let id: UUID
  /// The id their counted rows stay under.
  let user: UUID
  /// With the ids that were merged into it.
  let userIDs: [UUID]
  var state: State
  let requestedBy: String
  let requestedAt: Date
  var completedAt: Date?
  var tables: [String: Work]
  let suppressed: Int
  var digest: [UInt8]?

  /// Rows of a table.
  struct Work: Sendable, Equatable {
    var deleted = 0
    var anonymised = 0
  }

  mutating func add(_ work: Work, to table: String) {
    guard work != Work() else { return }
    tables[table, default: Work()].deleted += work.deleted
    tables[table, default: Work()].anonymised += work.anonymised
  }

  mutating func complete(now: Date) {
    state = .completed
    completedAt = now
    digest = expectedDigest
  }

  /// SHA-256 of the report's canonical text.
  var expectedDigest: [UInt8] { SHA256.hash(JSONValue.object(report).canonicalBytes) }

  /// What the digest covers.
  var report: JSONObject {
    [
      "id": .id(id), "user": .id(user), "requested_at": .instant(requestedAt),
      "completed_at": .instant(completedAt), "suppressed_addresses": .int(suppressed),
      "tables": tablesJSON,
    ]
  }

  var tablesJSON: JSONValue {
    .object(
      JSONObject(
        tables.sorted { $0.key < $1.key }.map { table, work in
          (
            key: table,
            value: ["deleted": .int(work.deleted), "anonymised": .int(work.anonymised)] as JSONValue
          )
        }))
  }
}
