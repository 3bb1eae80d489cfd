import Conditions
import Foundation
import JSON
import Postgres

/// What a plan document names, looked up: every name that is nothing becomes a fault at its place.
struct PlanReferences {
  let templates: [String: StoredTemplate]
  let coupons: [String: StoredCoupon]
  /// Those that are declared: a tag is declared when it is first added.
  let tags: [String: StoredTag]
  /// Of the trigger's segment, the audience and the branches together; nil when one cannot be resolved.
  let closure: SegmentClosure?

  init(_ document: PlanDocument, faults: Faults, in db: any Queryable) throws {
    templates = try TemplateStore.find(Array(document.templates), in: db)
    coupons = try CouponStore.find(Array(document.coupons), in: db)
    tags = try TagStore.find(Array(document.tags), in: db)
    let found = try Self.closure(document, faults: faults, in: db)
    for step in document.steps {
      Self.check(step, tags, faults: faults)
      for link in step.chain {
        Self.check(link, templates, coupons, at: step.place(of: link), faults: faults)
      }
    }
    Self.check(document.experiment, document, templates, faults: faults)
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

  /// A variant's template must be one of the same channel.
  private static func check(
    _ experiment: Experiment?, _ document: PlanDocument, _ templates: [String: StoredTemplate],
    faults: Faults
  ) {
    guard let experiment, let step = document.step(experiment.step) else { return }
    for (index, variant) in experiment.variants.enumerated() {
      for (name, key) in variant.templates.sorted(by: { $0.key < $1.key }) {
        let place = JSONPointer(tokens: [
          "experiment", "variants", String(index), "templates", name,
        ])
        guard let template = templates[key] else {
          faults.add(
            "unknown_template", at: place,
            "There is no template '\(key)'; PUT /v1/templates/\(key) first.")
          continue
        }
        let channels = step.chain.filter { $0.template == name }.map(\.channel)
        if !channels.allSatisfy({ $0 == template.template.channel }) {
          faults.add(
            "channel_mismatch", at: place,
            "Template '\(key)' is for \(template.template.channel.rawValue), not for the channel "
              + "that sends '\(name)'.")
        }
      }
    }
  }

  private static func check(
    _ step: PlanDocument.Step, _ tags: [String: StoredTag], faults: Faults
  ) {
    guard case .tag(let change) = step.action else { return }
    let place = JSONPointer(tokens: ["steps", String(step.index), "tag"])
    if let key = change.add, let fault = tags[key]?.tag.fault(of: change.value, at: place) {
      let pointer = place.appending(change.value == true ? "add" : "value")
      faults.add(fault.code, at: pointer, fault.detail)
    }
    if let key = change.remove, tags[key] == nil {
      faults.add(
        "unknown_tag", at: place.appending("remove"),
        "There is no tag '\(key)'; declare it first with PUT /v1/tags/\(key).")
    }
  }

  private static func closure(
    _ document: PlanDocument, faults: Faults, in db: any Queryable
  ) throws -> SegmentClosure {
    let trigger = JSONPointer(tokens: ["trigger"])
    var closure = SegmentClosure.empty
    for (place, condition) in [(trigger, document.trigger.condition)] + document.peopleConditions {
      let known = faults.count
      try SegmentStore.checkNames(condition, at: place, faults: faults, in: db)
      guard faults.count == known else { continue }
      let other = try SegmentStore.closure(of: condition, at: place, faults: faults, in: db)
      closure = closure.merging(other)
    }
    return closure
  }

  /// Notes operands that do not fit what is declared or was seen, and a date to go by that is no text.
  static func checkTypes(
    of document: PlanDocument, faults: Faults, in db: any Queryable
  ) throws {
    try ConditionTypes.check(
      document.peopleConditions + document.eventConditions, faults: faults, in: db)
    guard case .date(let date) = document.trigger, case .attribute(let key, _) = date.origin else {
      return
    }
    let types = try ConditionTypes(of: [document.trigger.condition], in: db)
    if let known = types[.attribute(key)], !known.type.isText {
      faults.add(
        .typeMismatch, at: JSONPointer(tokens: ["trigger", "date"]),
        "The attribute '\(key)' \(known.words); dates are strings such as 1984-02-29.")
    }
  }
}
