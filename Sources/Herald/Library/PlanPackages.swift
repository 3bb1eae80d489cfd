import Conditions
import Foundation
import JSON
import Postgres

/// Plans going out as documents and coming in again.
struct PlanPackages: Sendable {
  let db: Database

  /// A million codes take a while.
  private static let patience: Duration = .seconds(300)

  /// The draft, or else the live version, or the one named, with what it refers to: as frozen when it
  /// was submitted, else as it is now.
  func export(_ key: String, version number: Int?, by caller: Caller) async throws -> PlanPackage {
    try await db.read { db in
      let plan = try PlanStore.load(key, in: db)
      guard let number = number ?? plan.newestVersion else {
        throw HeraldError(.unexpected, "Plan '\(key)' has neither a draft nor a live version.")
      }
      let version = try PlanStore.version(key, number, in: db)
      let document = try PlanDocument.stored(version.document)
      let manifest =
        try version.manifest.map { try Manifest(stored: $0) }
        ?? ManifestBuilder.build(
          key, version, document, userScope: caller.userScope, needsSenders: false, in: db)
      let definitions = try PackageDefinitions(document, manifest.closure, in: db)
      var package = PlanPackage(key: key, group: plan.group, document: version.document)
      package.tags = definitions.tags
      package.segments = definitions.segments
      package.templates = manifest.templates.compactMap { MessageTemplate(key: $0, manifest: $1) }
      package.coupons = try manifest.coupons.map {
        CouponDefinition(coupon: try Coupon(key: $0, manifest: $1), generation: nil)
      }
      package.senders = manifest.senders
      package.hash = try version.manifestHash ?? hashNow(manifest, document)
      return package
    }
  }

  /// Nil as long as no sender carries a channel: it could not be submitted.
  private func hashNow(_ manifest: Manifest, _ document: PlanDocument) throws -> String? {
    let faults = ManifestBuilder.missingSenders(document, manifest.senders)
    return faults.isEmpty ? Manifest.hash(of: manifest.json) : nil
  }

  /// Writes what the package brings and the draft of its plan, all or nothing.
  func take(
    _ package: PlanPackage, _ conflicts: PlanPackage.Conflicts, by caller: Caller, now: Date
  ) async throws -> PlanImport {
    try await db.write(timeout: Self.patience) { tx in
      let parts = try PackagePart.all(of: package, in: tx)
      let differing = parts.filter(\.differs)
      guard conflicts != .refuse || differing.isEmpty else {
        throw Self.refusal(differing.map(\.conflict))
      }
      try package.refuseCircle(
        among: Set(parts.filter { $0.kind == .segment && $0.isWritten(conflicts) }.map(\.key)))
      var items: [PlanImport.Item] = []
      for part in parts {
        var outcome = part.outcome(conflicts)
        // Keeping what is here, an import that brings nothing changes nothing either.
        let mayDraft = conflicts != .keep || items.contains(where: \.outcome.isWritten)
        if part.kind == .plan, outcome == .unchanged, mayDraft,
          try Self.isToBeDrafted(package.key, in: tx)
        {
          outcome = .replaced
        }
        if outcome.isWritten {
          try Self.inside(part.pointer) { try part.save(caller, now, tx) }
        }
        items.append(PlanImport.Item(kind: part.kind, key: part.key, outcome: outcome))
      }
      if let group = package.group, items.last?.outcome == .created {
        try PlanStore.setGroup(package.key, group, now: now, in: tx)
      }
      let kept = differing.map(\.pointer).filter { _ in conflicts == .keep }
      return try Self.judge(package, items, kept: kept, by: caller, in: tx)
    }
  }

  /// Whether the plan's document, equal to the package's, was submitted with other contents of what
  /// it uses than are here now.
  private static func isToBeDrafted(_ key: String, in tx: Transaction) throws -> Bool {
    let plan = try PlanStore.load(key, in: tx)
    guard let number = plan.newestVersion else { return true }
    return try Plans.isToBeDrafted(PlanStore.version(key, number, in: tx), in: tx)
  }

  /// What became of it, and what is still to be done.
  private static func judge(
    _ package: PlanPackage, _ items: [PlanImport.Item], kept: [JSONPointer], by caller: Caller,
    in tx: Transaction
  ) throws -> PlanImport {
    let overview = try Plans.overview(package.key, in: tx)
    guard let number = overview.plan.newestVersion else {
      throw HeraldError(.unexpected, "The imported plan '\(package.key)' has no version.")
    }
    let version = try PlanStore.version(package.key, number, in: tx)
    let document = try PlanDocument.stored(version.document)
    let manifest = try ManifestBuilder.build(
      package.key, version, document, userScope: caller.userScope, needsSenders: false, in: tx)
    let missing = ManifestBuilder.missingSenders(document, manifest.senders)
    let hash = try missing.isEmpty ? Self.hash(of: manifest, version, in: tx) : nil
    var lacks = missing.map { $0.inside(JSONPointer(tokens: ["document"])) }
    for key in manifest.coupons.keys where try CouponStore.stock(key, in: tx) == 0 {
      lacks.append(
        JSONFault(
          "no_codes", at: JSONPointer(tokens: ["coupons", key]),
          "Coupon '\(key)' has no codes; send a list to POST /v1/coupons/\(key)/codes, or PUT "
            + "/v1/coupons/\(key) with \"codes\": {\"generate\": …}."))
    }
    for (key, list) in manifest.closure.lists.sorted(by: { $0.key < $1.key }) where list == 0 {
      lacks.append(
        JSONFault(
          "no_users", at: JSONPointer(tokens: ["segments", key]),
          "Segment '\(key)' is a list without people; send them to POST /v1/segments/\(key)/users."
        ))
    }
    var differs: [JSONPointer] = []
    if let expected = package.hash, expected != hash {
      differs = kept + Self.otherSenders(package.senders, manifest.senders)
      // Lists of people and the scope of whoever submits belong to the hash and do not travel.
      if differs.isEmpty { differs = [JSONPointer(tokens: ["hash"])] }
    }
    return PlanImport(
      overview: overview, items: items, hash: hash, expectedHash: package.hash, differs: differs,
      lacks: lacks)
  }

  /// Of what was frozen, where that is what is here now: it counts the scope of whoever submitted it.
  private static func hash(
    of manifest: Manifest, _ version: PlanVersion, in tx: Transaction
  ) throws -> String {
    if let frozen = try version.manifest.map(Manifest.init(stored:)),
      let hash = version.manifestHash,
      frozen.senders == manifest.senders, try ManifestChanges(since: version, in: tx).isEmpty
    {
      return hash
    }
    return Manifest.hash(of: manifest.json)
  }

  private static func otherSenders(_ theirs: JSONObject, _ ours: JSONObject) -> [JSONPointer] {
    Set(theirs.keys + ours.keys).sorted().filter { theirs[$0] != ours[$0] }.map {
      JSONPointer(tokens: ["senders", $0])
    }
  }

  private static func refusal(_ conflicts: [JSONFault]) -> HeraldError {
    let names = conflicts.prefix(3).map(\.pointer.description).joined(separator: ", ")
    return HeraldError(
      .conflict,
      "What the package brings is here already and differs: \(names)"
        + (conflicts.count > 3 ? " and more (see errors)" : "")
        + ". Ask with ?conflicts=keep to use what is here, or ?conflicts=replace to overwrite it.",
      pointer: conflicts.first?.pointer.description, faults: conflicts)
  }

  /// Faults of a part as seen from the package.
  private static func inside(_ pointer: JSONPointer, _ save: () throws -> Void) throws {
    do {
      try save()
    } catch let error as HeraldError where error.code.status == 422 {
      let faults = error.faults.map { $0.inside(pointer) }
      guard faults.isEmpty else { throw HeraldError.invalid(faults) }
      throw HeraldError(
        error.code, error.message, pointer: pointer.description + (error.pointer ?? ""))
    }
  }
}
