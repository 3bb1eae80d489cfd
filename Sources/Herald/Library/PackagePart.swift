import Foundation
import JSON
import Postgres

/// One thing that a package brings, compared with what is here under its key.
struct PackagePart {
  enum Standing { case absent, equal, different }

  let kind: PlanPackage.Kind
  let key: String
  let standing: Standing
  let save: (Caller, Date, Transaction) throws -> Void

  var differs: Bool { standing == .different }

  var pointer: JSONPointer {
    kind == .plan
      ? JSONPointer(tokens: [kind.member]) : JSONPointer(tokens: [kind.member, key])
  }

  var conflict: JSONFault {
    JSONFault(
      "conflict", at: pointer, "There is another \(kind.rawValue) '\(key)' here already.")
  }

  func isWritten(_ conflicts: PlanPackage.Conflicts) -> Bool { outcome(conflicts).isWritten }

  func outcome(_ conflicts: PlanPackage.Conflicts) -> PlanImport.Outcome {
    switch standing {
    case .absent: .created
    case .equal: .unchanged
    case .different: conflicts == .replace ? .replaced : .kept
    }
  }

  /// In the order in which they are to be written.
  static func all(of package: PlanPackage, in db: any Queryable) throws -> [PackagePart] {
    var parts: [PackagePart] = []
    for tag in package.tags {
      let known = try TagStore.find(tag.key, in: db)
      parts.append(
        PackagePart(kind: .tag, key: tag.key, standing: standing(known.map { $0.tag == tag })) {
          _ = try Tags.put(tag, by: $0, now: $1, in: $2)
        })
    }
    for segment in package.orderedSegments {
      let known = try SegmentStore.find(segment.key, in: db)
      let isEqual = known.map { $0.segment == segment }
      parts.append(
        PackagePart(kind: .segment, key: segment.key, standing: standing(isEqual)) {
          _ = try Segments.put(segment, by: $0, now: $1, in: $2)
        })
    }
    for template in package.templates {
      let known = try TemplateStore.find(template.key, in: db)
      let isEqual = known.map { $0.template == template }
      parts.append(
        PackagePart(kind: .template, key: template.key, standing: standing(isEqual)) {
          _ = try Templates.put(template, by: $0, now: $1, in: $2)
        })
    }
    for definition in package.coupons { parts.append(try coupon(definition, in: db)) }
    return parts + [try plan(package, in: db)]
  }

  /// Codes are a matter of each Herald: a coupon is the same by its terms, and keeps what it has.
  private static func coupon(
    _ definition: CouponDefinition, in db: any Queryable
  ) throws -> PackagePart {
    let key = definition.coupon.key
    let known = try CouponStore.find([key], in: db)[key]
    let isEqual = known.map { $0.coupon.termsJSON == definition.coupon.termsJSON }
    let whole = CouponDefinition(
      coupon: definition.coupon, generation: known?.generation ?? definition.generation)
    return PackagePart(kind: .coupon, key: key, standing: standing(isEqual)) {
      _ = try Coupons.put(whole, by: $0, now: $1, in: $2)
    }
  }

  /// An archived plan counts as absent: it comes back with this document.
  private static func plan(_ package: PlanPackage, in db: any Queryable) throws -> PackagePart {
    let known = try PlanStore.find(package.key, in: db)
    let number = known.flatMap { $0.archivedAt == nil ? $0.newestVersion : nil }
    let isEqual = try number.map {
      try PlanStore.version(package.key, $0, in: db).hash == Manifest.hash(of: package.document)
    }
    return PackagePart(kind: .plan, key: package.key, standing: standing(isEqual)) {
      _ = try Plans.put(package.key, package.document, by: $0, now: $1, in: $2)
    }
  }

  private static func standing(_ isEqual: Bool?) -> Standing {
    isEqual.map { $0 ? .equal : .different } ?? .absent
  }
}
