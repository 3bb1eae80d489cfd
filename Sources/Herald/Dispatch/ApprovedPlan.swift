import Foundation
import JSON
import Postgres
import Synchronization

/// An approved version ready for dispatch: everything from its manifest, parsed once.
struct ApprovedPlan: Sendable {
  let key: String
  let version: Int
  let document: PlanDocument
  let manifest: Manifest
  let templates: [String: PreparedTemplate]
  let coupons: [String: Coupon]

  init(_ version: PlanVersion) throws {
    guard let json = version.manifest else {
      throw HeraldError(
        .unexpected, "Version \(version.version) of plan '\(version.plan)' has no manifest.")
    }
    try self.init(Manifest(stored: json), version: version.version)
  }

  /// A manifest that nobody needs to have approved: for what changes nothing.
  init(_ manifest: Manifest, version: Int) throws {
    key = manifest.plan
    self.version = version
    self.manifest = manifest
    document = try PlanDocument.stored(manifest.document)
    var templates: [String: PreparedTemplate] = [:]
    for (key, json) in manifest.templates { templates[key] = try PreparedTemplate(manifest: json) }
    self.templates = templates
    showsEvents = templates.values.contains { $0.references.contains { $0.hasPrefix("event.") } }
    showsCoupons = templates.values.contains { $0.references.contains { $0.hasPrefix("steps.") } }
    var coupons: [String: Coupon] = [:]
    for (key, json) in manifest.coupons { coupons[key] = try Coupon(key: key, manifest: json) }
    self.coupons = coupons
  }

  /// Whether a template shows a property of what made a person enter.
  let showsEvents: Bool
  /// Whether a template shows a coupon of an earlier step.
  let showsCoupons: Bool

  /// Whether the approver saw this sender as it is now: weight, pace and secrets may differ.
  func approves(_ sender: StoredSender) -> Bool {
    manifest.senders[sender.key] == sender.sender.approvedContent
  }

  func step(_ id: String) -> PlanDocument.Step? { document.step(id) }
}

/// A version of a plan, by name.
struct PlanVersionName: Hashable, Sendable {
  let plan: String
  let version: Int
}

/// Approved versions in memory. A manifest never changes once approved, so an entry stays true.
final class ApprovedPlans: Sendable {
  private let cache = Mutex<[PlanVersionName: ApprovedPlan]>([:])

  /// Nil when it was not read yet.
  func known(_ name: PlanVersionName) -> ApprovedPlan? { cache.withLock { $0[name] } }

  func get(_ plan: String, _ version: Int, in db: any Queryable) throws -> ApprovedPlan {
    let name = PlanVersionName(plan: plan, version: version)
    if let known = known(name) { return known }
    let approved = try ApprovedPlan(PlanStore.version(plan, version, in: db))
    cache.withLock { cache in
      if cache.count > 500 { cache.removeAll() }
      cache[name] = approved
    }
    return approved
  }
}
