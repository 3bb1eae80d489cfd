import Conditions
import JSON
import Postgres

extension SegmentStore {
  /// Segments a closure may hold.
  static let maximumClosure = 500

  /// Everything the condition refers to, as it is in this transaction. Archived segments count: they
  /// were archived because something still names them.
  ///
  /// 422 at the place in the condition (which was parsed at `pointer`) for a segment that does not
  /// exist, and for a cycle, with its path. `owner` is the segment whose condition this is to become.
  static func closure(
    of condition: Condition, owner: String? = nil, at pointer: JSONPointer = .root,
    in db: any Queryable
  ) throws -> SegmentClosure {
    var closure = SegmentClosure.empty
    var named: [String: [String]] = [:]
    if let owner { named[owner] = condition.referenced.segments }
    var wanted = condition.referenced.segments.filter { $0 != owner }
    while !wanted.isEmpty {
      let found = try definitions(wanted, in: db)
      for key in wanted {
        switch found[key] {
        case nil: throw unknownSegment(key, condition, at: pointer)
        case .list(let version):
          closure.lists[key] = version
          named[key] = []
        case .rule(let inner):
          closure.conditions[key] = inner
          named[key] = inner.referenced.segments
        }
      }
      guard named.count <= maximumClosure else { throw HeraldError.segmentTooLarge }
      wanted = Set(wanted.flatMap { named[$0] ?? [] }).filter { named[$0] == nil }.sorted()
    }
    if let cycle = cycle(from: owner.map { [$0] } ?? condition.referenced.segments, named) {
      let entry = owner == cycle[0] ? cycle[1] : cycle[0]
      let place = condition.pointer(ofSegment: entry, at: pointer)
      throw HeraldError.segmentCycle(cycle, at: place?.description)
    }
    return closure
  }

  /// As `closure(of:owner:at:in:)`, but what is wrong with the condition is noted in `faults`; the
  /// closure is then empty.
  static func closure(
    of condition: Condition, owner: String? = nil, at pointer: JSONPointer, faults: Faults,
    in db: any Queryable
  ) throws -> SegmentClosure {
    do {
      return try closure(of: condition, owner: owner, at: pointer, in: db)
    } catch let error as HeraldError where error.code.status == 422 {
      guard error.faults.isEmpty else {
        error.faults.forEach(faults.add)
        return .empty
      }
      faults.add(
        JSONFault.Code(rawValue: error.code.name),
        at: error.pointer.flatMap(JSONPointer.init) ?? pointer, error.message)
      return .empty
    }
  }

  /// The unknown segment may be named by a segment the condition names.
  private static func unknownSegment(
    _ key: String, _ condition: Condition, at pointer: JSONPointer
  ) -> HeraldError {
    .invalid(
      [
        JSONFault(
          "unknown_segment", at: condition.pointer(ofSegment: key, at: pointer) ?? pointer,
          "There is no segment '\(key)'; create it first.")
      ])
  }

  /// The first circle met when following names from `starts`, its first key repeated at the end.
  private static func cycle(from starts: [String], _ named: [String: [String]]) -> [String]? {
    var done: Set<String> = []
    var path: [String] = []
    func visit(_ key: String) -> [String]? {
      if let start = path.firstIndex(of: key) { return Array(path[start...]) + [key] }
      guard !done.contains(key) else { return nil }
      path.append(key)
      for next in named[key] ?? [] {
        if let cycle = visit(next) { return cycle }
      }
      path.removeLast()
      done.insert(key)
      return nil
    }
    for start in starts {
      if let cycle = visit(start) { return cycle }
    }
    return nil
  }

  private enum Definition {
    case rule(Condition)
    case list(version: Int)
  }

  private static func definitions(
    _ keys: [String], in db: any Queryable
  ) throws -> [String: Definition] {
    let rows = try db.query(
      "SELECT key, condition, list_version FROM segments WHERE key = ANY(\(keys))")
    var found: [String: Definition] = [:]
    for row in rows {
      let condition = try row.optionalJSON("condition").map(Condition.stored)
      found[try row.get("key")] =
        try condition.map(Definition.rule) ?? .list(version: row.get("list_version"))
    }
    return found
  }
}
