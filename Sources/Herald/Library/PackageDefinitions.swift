import Conditions
import JSON
import Postgres

/// The segments and tags that a plan refers to, directly or through each other, as they are written.
struct PackageDefinitions {
  private(set) var segments: [Segment] = []
  private(set) var tags: [Tag] = []

  /// Conditions are those of `frozen`, where it has them; names and refreshes those of today.
  init(_ document: PlanDocument, _ frozen: SegmentClosure, in db: any Queryable) throws {
    var wantedTags = document.tags.union(document.trigger.matchedTags)
    var wantedSegments = Set(frozen.conditions.keys).union(frozen.lists.keys)
    for condition in document.conditions {
      wantedTags.formUnion(condition.referenced.tags)
      wantedSegments.formUnion(condition.referenced.segments)
    }
    var seen = (tags: Set<String>(), segments: Set<String>())
    while !wantedTags.isSubset(of: seen.tags) || !wantedSegments.isSubset(of: seen.segments) {
      let newSegments = wantedSegments.subtracting(seen.segments).sorted()
      for var segment in try SegmentStore.find(newSegments, in: db).map(\.segment) {
        if let condition = frozen.conditions[segment.key] { segment.condition = condition.json }
        segments.append(segment)
        try Self.collect(segment.condition, &wantedTags, &wantedSegments)
      }
      let newTags = wantedTags.subtracting(seen.tags).sorted()
      for stored in try TagStore.find(newTags, in: db).sorted(by: { $0.key < $1.key }) {
        tags.append(stored.value.tag)
        try Self.collect(stored.value.tag.rule, &wantedTags, &wantedSegments)
      }
      seen.segments.formUnion(newSegments)
      seen.tags.formUnion(newTags)
    }
  }

  private static func collect(
    _ json: JSONValue?, _ tags: inout Set<String>, _ segments: inout Set<String>
  ) throws {
    guard let references = try json.map(Condition.stored)?.referenced else { return }
    tags.formUnion(references.tags)
    segments.formUnion(references.segments)
  }
}

extension PlanDocument {
  /// Every condition in it: of the trigger, the audience and the branches.
  var conditions: [Condition] {
    [trigger.condition] + [audience].compactMap { $0 }
      + steps.flatMap { $0.conditions.map(\.condition) }
  }
}

extension PlanDocument.Trigger {
  /// Tags by which a scene picks people.
  var matchedTags: Set<String> {
    guard case .scene(let scene) = self else { return [] }
    return Set(
      scene.match.compactMap { if case .tag(let key) = $0.place { key } else { nil } })
  }
}

extension MessageTemplate {
  /// From what an approval pinned; nil when it cannot be read.
  init?(key: String, manifest: JSONValue) {
    guard let channel = manifest["channel"]?.stringValue.flatMap(Channel.init(rawValue:)),
      let content = manifest["content"],
      let onMissing = manifest["on_missing"]?.stringValue.flatMap(OnMissing.init(rawValue:))
    else { return nil }
    self.init(key: key, channel: channel, content: content, onMissing: onMissing)
  }
}
