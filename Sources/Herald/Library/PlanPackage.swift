import Conditions
import JSON

/// A plan as a document that travels: with the definitions of everything it refers to by key. It
/// holds no people, no codes and no secrets.
struct PlanPackage: Sendable {
  static let format = "herald-plan/1"

  let key: String
  var group: String?
  let document: JSONValue
  var tags: [Tag] = []
  var segments: [Segment] = []
  var templates: [MessageTemplate] = []
  var coupons: [CouponDefinition] = []
  /// By key, as an approver saw them: what carries messages is not brought along.
  var senders = JSONObject()
  /// Of the manifest it was frozen as where it comes from, or would have been.
  var hash: String?

  /// What becomes of things that are here already and differ.
  enum Conflicts: String, Sendable, CaseIterable {
    /// Nothing is written; 409 names all of them.
    case refuse
    /// They stay as they are, and the plan uses them so.
    case keep
    /// They are overwritten with what the package says.
    case replace
  }
}

/// What an import came to.
struct PlanImport: Sendable {
  enum Outcome: String, Sendable, CaseIterable {
    case created, unchanged, kept, replaced

    var isWritten: Bool { self == .created || self == .replaced }
  }

  struct Item: Sendable {
    let kind: PlanPackage.Kind
    let key: String
    let outcome: Outcome
  }

  let overview: Plans.Overview
  let items: [Item]
  /// Of the manifest that submitting would freeze now; nil while something lacks.
  let hash: String?
  let expectedHash: String?
  /// Places in the package that stand otherwise here; why the hashes are not the same.
  let differs: [JSONPointer]
  /// What is to be done before the plan can be submitted.
  let lacks: [JSONFault]

  var isCreated: Bool { items.contains { $0.kind == .plan && $0.outcome == .created } }
}

extension PlanPackage {
  /// What a package brings, in the order in which it is written.
  enum Kind: String, Sendable, CaseIterable {
    case tag, segment, template, coupon, plan

    /// Where things of this kind lie in a package.
    var member: String { self == .plan ? "document" : "\(rawValue)s" }
  }

  /// Segments, those that others name first; what is in a circle comes last, with what names it.
  var orderedSegments: [Segment] {
    let (ordered, entangled) = Self.sorted(segments)
    return ordered + entangled
  }

  /// 422 with the path when segments of these keys name each other in a circle: whichever of them is
  /// written first would name one that is not there yet.
  func refuseCircle(among keys: Set<String>) throws {
    let (_, entangled) = Self.sorted(segments.filter { keys.contains($0.key) })
    guard var key = entangled.map(\.key).min() else { return }
    // Each of them names another of them: following names comes back sooner or later.
    let named = Dictionary(
      entangled.map { ($0.key, $0.named.subtracting([$0.key])) },
      uniquingKeysWith: { one, _ in one })
    var path: [String] = []
    var places: [String: Int] = [:]
    while places[key] == nil {
      places[key] = path.count
      path.append(key)
      guard let next = named[key]?.filter({ named[$0] != nil }).min() else { return }
      key = next
    }
    let circle = Array(path[(places[key] ?? 0)...]) + [key]
    let place = JSONPointer(tokens: [Kind.segment.member, circle[0], "condition"])
    let condition = try segments.first { $0.key == circle[0] }?.condition.map(Condition.stored)
    throw HeraldError.segmentCycle(
      circle, at: (condition?.pointer(ofSegment: circle[1], at: place) ?? place).description)
  }

  /// Those that name none of the others but ones before them, and the rest: circles and what names
  /// them.
  private static func sorted(
    _ segments: [Segment]
  ) -> (ordered: [Segment], entangled: [Segment]) {
    var waiting = segments
    var ordered: [Segment] = []
    while !waiting.isEmpty {
      let names = Set(waiting.map(\.key))
      let free = waiting.filter { names.isDisjoint(with: $0.named.subtracting([$0.key])) }
      guard !free.isEmpty else { break }
      ordered += free
      let done = Set(free.map(\.key))
      waiting.removeAll { done.contains($0.key) }
    }
    return (ordered, waiting)
  }
}
