import Foundation
import JSON
import Postgres

/// A coupon as a request declares it.
public struct CouponDefinition: Sendable {
  public let coupon: Coupon
  /// Absent when the codes are imported.
  public let generation: CodeGeneration?
}

/// The catalogue of coupons and their codes. Issuing is the dispatcher's, within a delivery's
/// transaction; redeeming is in `Coupons+Redeeming`.
public struct Coupons: Sendable {
  public typealias Counted = (stored: StoredCoupon, counts: CouponCounts)

  let db: Database

  public init(db: Database) { self.db = db }

  /// How many codes go into the database at a time.
  private static let batch = 20_000
  /// A million codes take a while.
  private static let patience: Duration = .seconds(300)

  public func get(_ key: String) async throws -> Counted {
    try await db.read { db in
      let stored = try CouponStore.load(key, in: db)
      return try Self.counted([stored], in: db)[0]
    }
  }

  public func list(_ page: PageRequest) async throws -> Page<Counted> {
    let rows = try await db.read { db in
      try Self.counted(try CouponStore.list(page, in: db), in: db)
    }
    return Page(rows, page) { [$0.stored.coupon.key] }
  }

  /// Declares or changes a coupon and makes up the codes that are missing; codes are never taken
  /// away. What was issued keeps its terms. `expecting`: the version of If-Match.
  public func put(
    _ new: CouponDefinition, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (coupon: Counted, created: Bool) {
    try await db.write(timeout: Self.patience) { tx in
      try Self.put(new, expecting: expecting, by: caller, now: now, in: tx)
    }
  }

  static func put(
    _ new: CouponDefinition, expecting: Int? = nil, by caller: Caller, now: Date,
    in tx: Transaction
  ) throws -> (coupon: Counted, created: Bool) {
    let key = new.coupon.key
    try CouponStore.lock(key, in: tx)
    let former = try CouponStore.findWithArchived(key, in: tx)
    let known = former.flatMap { $0.isArchived ? nil : $0.coupon }
    try Precondition.check(expecting, actual: known?.version)
    let more = try Self.growth(from: former?.coupon.generation, to: new.generation)
    if let known, known.coupon.termsJSON == new.coupon.termsJSON,
      known.generation == new.generation
    {
      return (try Self.counted([known], in: tx)[0], false)
    }
    let stored = try CouponStore.save(new.coupon, new.generation, now: now, in: tx)
    try Self.generate(more, for: stored, new.generation?.pattern, in: tx)
    try AuditStore.append(
      AuditEntry(
        "coupon.put", "coupon", key, before: known?.auditJSON, after: stored.auditJSON,
        by: caller, at: now), in: tx)
    return (try Self.counted([stored], in: tx)[0], known == nil)
  }

  /// Deletes a coupon; archives it when it has codes or a plan names it. Issued codes stay good.
  public func delete(_ key: String, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      try CouponStore.lock(key, in: tx)
      let known = try CouponStore.load(key, in: tx)
      if try CouponStore.isInUse(key, in: tx) {
        try CouponStore.archive(key, now: now, in: tx)
      } else {
        try CouponStore.delete(key, in: tx)
      }
      try AuditStore.append(
        AuditEntry("coupon.deleted", "coupon", key, before: known.auditJSON, by: caller, at: now),
        in: tx)
    }
  }

  /// Adds codes from a list, one a line. Bad lines spoil nothing and are answered by their number.
  public func addCodes(
    _ csv: [UInt8], to key: String, by caller: Caller, now: Date
  ) async throws -> CouponCodeImport {
    let list = try CouponCodeList(csv: csv)
    return try await db.write(timeout: Self.patience) { tx in
      try CouponStore.lock(key, in: tx)
      let first = try CouponStore.load(key, in: tx).codes
      var last = first
      for start in stride(from: 0, to: list.codes.count, by: Self.batch) {
        let codes = list.codes[start..<min(start + Self.batch, list.codes.count)]
        last += try CouponCodeStore.add(Array(codes), to: key, after: last, in: tx)
      }
      let added = last - first
      let result = CouponCodeImport(
        added: added, duplicates: list.codes.count - added, rejected: list.rejected)
      guard added > 0 else { return result }
      try CouponCodeStore.open(key, upTo: last, in: tx)
      let after: JSONValue = [
        "added": .int(added), "duplicates": .int(result.duplicates),
        "rejected": .int(result.rejected.count),
      ]
      try AuditStore.append(
        AuditEntry("coupon.codes_added", "coupon", key, after: after, by: caller, at: now), in: tx)
      return result
    }
  }

  /// Codes by number, without those of users whom the caller may not see.
  func codes(
    of key: String, _ page: PageRequest, state: CouponCodeStore.State?, for caller: Caller,
    now: Date
  ) async throws -> Page<CouponCodeStore.StoredCode> {
    let rows = try await db.read { db in
      let coupon = try CouponStore.load(key, in: db).coupon.key
      let scope =
        caller.userScope == nil ? nil : try UserScope.predicate(caller, now: now, in: db)
      return try CouponCodeStore.list(coupon, page, state: state, scope: scope, in: db)
    }
    return Page(rows, page) { [String($0.number)] }
  }

  private static func counted(_ stored: [StoredCoupon], in db: any Queryable) throws -> [Counted] {
    let counts = try CouponStore.counts(stored.map(\.coupon.key), in: db)
    return try stored.map { coupon in
      guard let counts = counts[coupon.coupon.key] else {
        throw HeraldError.notFound("coupon", coupon.coupon.key)
      }
      return (coupon, counts)
    }
  }

  /// How many codes are to be made up.
  private static func growth(from known: CodeGeneration?, to new: CodeGeneration?) throws -> Int {
    let more = (new?.count ?? 0) - (known?.count ?? 0)
    guard more >= 0 else {
      throw HeraldError.invalid(
        "\(known?.count ?? 0) codes were made already and are not taken away; give that count or "
          + "more.", at: JSONPointer(tokens: ["codes"]))
    }
    return more
  }

  private static func generate(
    _ count: Int, for coupon: StoredCoupon, _ pattern: CodePattern?, in tx: Transaction
  ) throws {
    guard count > 0, let pattern else { return }
    var last = coupon.codes
    let end = last + count
    // A code that exists already is made up for by the next round; the pattern's space guarantees
    // that nearly all are new.
    while last < end {
      let codes = pattern.random(min(end - last, batch))
      last += try CouponCodeStore.add(codes, to: coupon.coupon.key, after: last, in: tx)
    }
    try CouponCodeStore.open(coupon.coupon.key, upTo: last, in: tx)
  }
}

extension StoredCoupon {
  var auditJSON: JSONValue {
    var object = coupon.termsJSON
    object["codes"] = generation.map { ["generate": $0.json] } ?? .null
    object["version"] = .int(version)
    return .object(object)
  }
}
