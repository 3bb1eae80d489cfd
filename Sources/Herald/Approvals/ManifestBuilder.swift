import Conditions
import Foundation
import JSON
import Postgres

/// Collects what a draft uses, as it is now.
enum ManifestBuilder {
  /// 422 for what lacks, senders among it unless `needsSenders` is false.
  static func build(
    _ key: String, _ draft: PlanVersion, _ document: PlanDocument, userScope: Condition?,
    needsSenders: Bool = true, in db: any Queryable
  ) throws -> Manifest {
    let faults = Faults()
    let used = try PlanReferences(document, faults: faults, in: db)
    guard var closure = used.closure else { throw HeraldError.invalid(faults.all) }
    if let userScope {
      closure = closure.merging(try SegmentStore.closure(of: userScope, in: db))
    }
    let contents = try contents(of: used, document, in: db)
    if needsSenders {
      let missing = missingSenders(document, contents.senders)
      guard missing.isEmpty else { throw HeraldError.invalid(missing) }
    }
    return Manifest(
      plan: key, version: draft.version, document: draft.document, templates: contents.templates,
      coupons: contents.coupons, senders: contents.senders, tags: contents.tags, closure: closure,
      userScope: userScope?.json)
  }

  /// What the things that a plan names say now, by key, as `Manifest` keeps them.
  static func contents(
    of used: PlanReferences, _ document: PlanDocument, in db: any Queryable
  ) throws -> (
    templates: JSONObject, coupons: JSONObject, senders: JSONObject, tags: JSONObject
  ) {
    var templates = JSONObject()
    for (key, stored) in used.templates.sorted(by: { $0.key < $1.key }) {
      templates[key] = stored.manifestJSON
    }
    var coupons = JSONObject()
    for (key, stored) in used.coupons.sorted(by: { $0.key < $1.key }) {
      coupons[key] = stored.manifestJSON
    }
    var senders = JSONObject()
    for channel in document.channels.sorted(by: { $0.rawValue < $1.rawValue }) {
      for sender in try SenderStore.active(channel, in: db) {
        senders[sender.key] = sender.sender.approvedContent
      }
    }
    var tags = JSONObject()
    for (key, stored) in used.tags.sorted(by: { $0.key < $1.key }) {
      tags[key] = [
        "type": .string(stored.tag.type.rawValue),
        "choices": stored.tag.choices.map { .array($0.map(JSONValue.string)) } ?? .null,
        "ttl": .optional(stored.tag.ttl?.description),
      ]
    }
    return (templates, coupons, senders, tags)
  }

  /// Every channel but Herald's own coupons needs somebody to carry it.
  static func missingSenders(_ document: PlanDocument, _ senders: JSONObject) -> [JSONFault] {
    let faults = Faults()
    let served = Set(senders.members.compactMap { $0.value["channel"]?.stringValue })
    for step in document.steps {
      for link in step.chain
      where link.channel != .coupon && !served.contains(link.channel.rawValue) {
        faults.add(
          "no_sender",
          at: step.kind == .webhook
            ? step.place(of: link) : step.place(of: link).appending("channel"),
          "No sender carries \(link.channel.rawValue); PUT /v1/senders/{key} with this channel first."
        )
      }
    }
    return faults.all
  }
}
