import Conditions
import JSON

extension PlanPackage {
  /// As it is served and taken.
  var json: JSONValue {
    func map<T>(_ items: [T], _ member: (T) -> (key: String, value: JSONValue)) -> JSONValue {
      .object(JSONObject(items.map(member)).sorted)
    }
    return [
      "format": .string(Self.format), "key": .string(key), "group": .optional(group),
      "document": document,
      "tags": map(tags) { ($0.key, $0.definition) },
      "segments": map(segments) { ($0.key, $0.definition) },
      "templates": map(templates) { ($0.key, .object($0.definition)) },
      "coupons": map(coupons) { ($0.coupon.key, $0.definition) },
      "senders": .object(senders.sorted), "hash": .optional(hash),
    ]
  }

  /// A package under `key`, whatever key it was exported with. What the document says is looked at
  /// when it is written.
  init?(key: String, _ reader: ObjectReader, _ faults: Faults) {
    if let format = reader.string("format", required: true), format != Self.format {
      reader.add(
        .invalidChoice, "format",
        "'\(Self.format)' is expected here; export the plan with a Herald of this version.")
    }
    let written = reader.string("key", pattern: .key)
    group = reader.isNull("group") ? nil : reader.string("group", pattern: .key)
    let document = reader.value("document", required: true)
    tags = reader.definitions("tags") { Tag(key: $0, $1, faults) }
    segments = reader.definitions("segments") { Segment(key: $0, $1, faults) }
    templates = reader.definitions("templates") { MessageTemplate(key: $0, $1, faults) }
    coupons = reader.definitions("coupons") { CouponDefinition(key: $0, $1) }
    senders = reader.object("senders")?.object ?? JSONObject()
    let hash = reader.isNull("hash") ? nil : reader.string("hash", maxLength: 128)
    reader.allow("group", "hash")
    guard let document else { return nil }
    // Under another key it is another plan, whose hash nobody knows.
    self.hash = written == nil || written == key ? hash : nil
    self.key = key
    self.document = document
  }

  static let schema = Schema.object([
    "format": ["const": .string(format)], "key?": Schema.key,
    "group?": Schema.nullable(Schema.key), "document": Schema.ref("PlanDocument"),
    "tags?": Schema.map(TagRoutes.request), "segments?": Schema.map(SegmentRoutes.request),
    "templates?": Schema.map(TemplateRoutes.schema),
    "coupons?": Schema.map(CouponRoutes.request),
    "senders?": Schema.map(Schema.any), "hash?": Schema.nullable(Schema.hash),
  ])
}

extension PlanImport {
  var json: JSONValue {
    [
      "plan": overview.json,
      "items": .array(
        items.map {
          [
            "kind": .string($0.kind.rawValue), "key": .string($0.key),
            "outcome": .string($0.outcome.rawValue),
          ]
        }),
      "hash": .optional(hash), "expected_hash": .optional(expectedHash),
      "differs": .array(differs.map { .string($0.description) }),
      "lacks": .array(
        lacks.map {
          [
            "pointer": .string($0.pointer.description), "code": .string($0.code.rawValue),
            "detail": .string($0.detail),
          ]
        }),
    ]
  }

  static let schema = Schema.object([
    "plan": Schema.ref("Plan"),
    "items": Schema.array(
      Schema.object([
        "kind": Schema.choice(PlanPackage.Kind.allCases.map(\.rawValue)), "key": Schema.key,
        "outcome": Schema.choice(Outcome.allCases.map(\.rawValue)),
      ])),
    "hash": Schema.nullable(Schema.hash), "expected_hash": Schema.nullable(Schema.hash),
    "differs": Schema.array(Schema.string),
    "lacks": Schema.array(
      Schema.object([
        "pointer": Schema.string, "code": Schema.string, "detail": Schema.string,
      ])),
  ])
}

extension ObjectReader {
  /// Definitions by key, each read by `make`.
  fileprivate func definitions<T>(
    _ member: String, _ make: (String, ObjectReader) -> T?
  ) -> [T] {
    guard let map = object(member) else { return [] }
    return map.object.keys.compactMap { key in
      guard let reader = map.object(key) else { return nil }
      guard TextPattern.key.matches(key) else {
        map.add(.invalidFormat, key, "A key has 1 to 64 characters out of a-z, 0-9, '_' and '-'.")
        return nil
      }
      defer { reader.finish() }
      return make(key, reader)
    }
  }
}

extension Tag {
  /// As it is written.
  fileprivate var definition: JSONValue {
    var object: JSONObject = [
      "name": .string(name), "category": .string(category.rawValue), "type": .string(type.rawValue),
    ]
    if let choices { object["choices"] = .array(choices.map(JSONValue.string)) }
    if let rule { object["rule"] = rule }
    if let ttl { object["ttl"] = .string(ttl.description) }
    return .object(object)
  }
}

extension Segment {
  fileprivate var definition: JSONValue {
    var object: JSONObject = ["name": .string(name), "refresh": refresh.json]
    if let condition { object["condition"] = condition }
    return .object(object)
  }

  /// Segments its condition names.
  var named: Set<String> {
    let condition = condition.flatMap { Condition.parse($0, at: .root, faults: Faults()) }
    return Set(condition?.referenced.segments ?? [])
  }
}

extension CouponDefinition {
  fileprivate var definition: JSONValue {
    var object = coupon.termsJSON
    if let generation { object["codes"] = ["generate": generation.json] }
    return .object(object)
  }
}
