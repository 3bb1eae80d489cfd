import Conditions
import Foundation
import JSON
import Postgres

/// What a plan document names, looked up: every name that is nothing becomes a fault at its place.
struct PlanReferences {
  let templates: [String: StoredTemplate]
  let coupons: [String: StoredCoupon]
  /// Of the trigger's segment and the audience together; nil when one cannot be resolved.
  let closure: SegmentClosure?

  init(_ document: PlanDocument, faults: Faults, in db: any Queryable) throws {
    templates = try TemplateStore.find(Array(document.templates), in: db)
    coupons = try CouponStore.find(Array(document.coupons), in: db)
    let found = try Self.closure(document, faults: faults, in: db)
    for step in document.steps {
      for link in step.chain {
        let place = JSONPointer(tokens: [
          "steps", String(step.index), "send", "chain", String(link.index),
        ])
        Self.check(link, templates, coupons, at: place, faults: faults)
      }
    }
    closure = faults.isEmpty ? found : nil
  }

  private static func check(
    _ link: PlanDocument.Link, _ templates: [String: StoredTemplate],
    _ coupons: [String: StoredCoupon], at place: JSONPointer, faults: Faults
  ) {
    if let key = link.template {
      if let template = templates[key] {
        if template.template.channel != link.channel {
          faults.add(
            "channel_mismatch", at: place.appending("template"),
            "Template '\(key)' is for \(template.template.channel.rawValue), this link sends by "
              + "\(link.channel.rawValue).")
        }
      } else {
        faults.add(
          "unknown_template", at: place.appending("template"),
          "There is no template '\(key)'; PUT /v1/templates/\(key) first.")
      }
    }
    if let key = link.coupon, coupons[key] == nil {
      faults.add(
        "unknown_coupon", at: place.appending("coupon"),
        "There is no coupon '\(key)'; PUT /v1/coupons/\(key) first.")
    }
  }

  private static func closure(
    _ document: PlanDocument, faults: Faults, in db: any Queryable
  ) throws -> SegmentClosure {
    let trigger = JSONPointer(tokens: ["trigger"])
    var closure = try SegmentStore.closure(
      of: document.trigger.condition, at: trigger, faults: faults, in: db)
    if let audience = document.audience {
      let place = JSONPointer(tokens: ["audience"])
      let known = faults.count
      try SegmentStore.check(audience, at: place, faults: faults, in: db)
      guard faults.count == known else { return closure }
      let other = try SegmentStore.closure(of: audience, at: place, faults: faults, in: db)
      closure = closure.merging(other)
    }
    return closure
  }
}
