import JSON
import Postgres

/// What a submitted version uses and what is otherwise by now. The version itself goes on with what
/// was frozen; submitted again it would freeze what is written now.
struct ManifestChanges {
  /// Such as `template 'welcome'`, by kind and key.
  let names: [String]
  /// What its document names and is no more; until that is mended it cannot be submitted again.
  let missing: [JSONFault]

  var isEmpty: Bool { names.isEmpty && missing.isEmpty }

  /// Nothing for a version that was never frozen.
  ///
  /// Two things do not count, because nobody wrote anything: the user scope of whoever submits, with
  /// the segments that only it names, and senders that are not there or paused at the moment.
  init(since version: PlanVersion, in db: any Queryable) throws {
    guard let frozen = try version.manifest.map(Manifest.init(stored:)) else {
      (names, missing) = ([], [])
      return
    }
    let faults = Faults()
    let document = try PlanDocument.stored(version.document)
    let used = try PlanReferences(document, faults: faults, in: db)
    missing = faults.all
    guard let closure = used.closure, faults.isEmpty else {
      names = []
      return
    }
    let now = try ManifestBuilder.contents(of: used, document, in: db)
    names =
      Self.changed("template", frozen.templates, now.templates)
      + Self.changed("coupon", frozen.coupons, now.coupons)
      + Self.changed("tag", frozen.tags, now.tags)
      + closure.conditions.filter { $0.value != frozen.closure.conditions[$0.key] }.keys.sorted()
      .map { "segment '\($0)'" }
      + closure.lists.filter { $0.value != frozen.closure.lists[$0.key] }.keys.sorted()
      .map { "list '\($0)'" }
      + Self.changed("sender", frozen.senders, now.senders)
  }

  /// Things of today that were not frozen like this. Compared as the hash of a manifest does.
  private static func changed(_ kind: String, _ frozen: JSONObject, _ now: JSONObject) -> [String] {
    now.filter { $0.value.canonicalBytes != frozen[$0.key]?.canonicalBytes }.map(\.key).sorted()
      .map { "\(kind) '\($0)'" }
  }
}

extension HeraldError {
  /// Why there is nothing to submit, and what to do about it.
  static func noDraft(of plan: Plan, in db: any Queryable) throws -> HeraldError {
    guard let number = plan.liveVersion else {
      return HeraldError(.wrongState, "Plan '\(plan.key)' has no draft; PUT one first.")
    }
    let live = try PlanStore.version(plan.key, number, in: db)
    let changes = try ManifestChanges(since: live, in: db)
    let isOver = [.completed, .cancelled].contains(live.state)
    let advice =
      if let gone = changes.missing.first {
        "The document of version \(number) cannot be submitted again as it is: \(gone.detail)"
      } else if !changes.names.isEmpty {
        "Changed since version \(number) was submitted: "
          + changes.names.prefix(5).joined(separator: ", ") + (changes.names.count > 5 ? ", …" : "")
          + ". PUT the document again to take that up, then submit."
      } else {
        "Its document and all it uses are those of version \(number). PUT a changed one"
          + (isOver ? ", or the same under another key to run it again." : " first.")
      }
    return HeraldError(.wrongState, "Plan '\(plan.key)' has no draft. \(advice)")
  }
}
