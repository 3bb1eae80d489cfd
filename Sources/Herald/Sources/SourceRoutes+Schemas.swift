import JSON

extension SourceRoutes {
  static let components: JSONObject = [
    "Source": source, "MappedValue": value, "SourceMapping": mapping, "SourceSignature": signature,
    "SourcePull": pull, "SourceTest": test, "DeadLetter": deadLetter,
    "MappingFault": fault, "HookReceipt": receipt, "ReplayOutcome": replayOutcome,
    "ReplayReport": replayReport,
  ]

  static let request = Schema.object([
    "name?": Schema.text(1...200), "live?": Schema.bool,
    "signature?": Schema.ref("SourceSignature"), "mapping": Schema.ref("SourceMapping"),
    "pull?": Schema.ref("SourcePull"),
  ])

  static let testRequest = Schema.object([
    "body": Schema.any, "headers?": Schema.map(Schema.string),
    "mapping?": Schema.ref("SourceMapping"),
  ])

  static let rotateRequest = Schema.object([
    "secret": Schema.text(1...4096), "previous_until?": Schema.instant,
  ])

  private static let scalar: JSONValue = ["type": ["string", "number", "boolean"]]
  private static let header = Schema.text(1...128)

  /// A constant, a pointer ("/customer/id"), a template ("{{ item.id }}"), or an object that says which.
  private static let value = Schema.oneOf([
    scalar,
    Schema.object([
      "pointer?": Schema.string, "header?": header, "template?": Schema.text(1...8192),
      "value?": Schema.any, "default?": Schema.any, "map?": Schema.map(scalar),
      "as?": Schema.choice(MappedValue.Form.allCases.map(\.rawValue)),
      "zone?": Schema.text(1...64),
    ]),
  ])

  private static let condition = Schema.object([
    "pointer?": Schema.string, "header?": header, "eq?": scalar, "ne?": scalar,
    "in?": Schema.array(scalar, max: 100), "not_in?": Schema.array(scalar, max: 100),
    "exists?": Schema.bool,
  ])

  private static let members = Schema.map(Schema.ref("MappedValue"))

  /// What an attribute is set to, or what is done to it with a value of the item.
  private static let changes = Schema.map(
    Schema.oneOf(
      [Schema.ref("MappedValue")]
        + AttributeOperation.names.map { Schema.object([$0: Schema.ref("MappedValue")]) }))

  private static let mapping = Schema.object([
    "items?": Schema.string,
    "when?": Schema.oneOf([condition, Schema.array(condition, max: 20)]),
    "user": members, "event?": Schema.ref("MappedValue"),
    "timestamp?": Schema.ref("MappedValue"), "message_id?": Schema.ref("MappedValue"),
    "properties?": Schema.oneOf([Schema.string, members]), "attributes?": changes,
  ])

  private static let signature = Schema.object([
    "scheme": Schema.choice(SourceSignature.Scheme.allCases.map(\.rawValue)),
    "secret?": Schema.text(1...4096), "previous_secret?": Schema.text(1...4096),
    "previous_secret_until?": Schema.instant, "tolerance?": Schema.duration,
    "header?": header, "query?": Schema.text(1...64), "prefix?": Schema.text(0...32),
    "encoding?": Schema.choice(SourceSignature.Encoding.allCases.map(\.rawValue)),
    "content?": Schema.text(1...256), "id_header?": header, "timestamp_header?": header,
  ])

  private static let pull = Schema.object([
    "url": Schema.text(1...2048), "every": Schema.duration, "timeout?": Schema.duration,
    "headers?": Schema.map(
      Schema.oneOf([Schema.text(0...1024), Schema.object(["secret": Schema.text(1...4096)])])),
    "items?": Schema.string,
    "next?": Schema.oneOf([
      Schema.string, Schema.object(["url": Schema.string]),
      Schema.object(["link": Schema.choice(["next"])]),
      Schema.object(["page": Schema.text(1...64), "first?": Schema.integer(0...1_000_000)]),
      Schema.object(["token": Schema.string, "parameter": Schema.text(1...64)]),
      Schema.object(["last": Schema.string, "parameter": Schema.text(1...64)]),
    ]),
    "cursor?": Schema.object([
      "pointer": Schema.string, "parameter": Schema.text(1...64), "initial?": scalar,
    ]),
  ])

  private static let run = Schema.object([
    "started_at": Schema.instant, "ended_at": Schema.nullable(Schema.instant),
    "pages": Schema.count, "accepted": Schema.count, "duplicates": Schema.count,
    "ignored": Schema.count, "dead_letters": Schema.count,
  ])

  private static let pullState = Schema.object([
    "running": Schema.bool, "next_at": Schema.instant, "cursor": Schema.any,
    "progress": Schema.nullable(run), "last_run": Schema.nullable(run), "failures": Schema.count,
    "error": Schema.nullable(Schema.string), "error_at": Schema.nullable(Schema.instant),
  ])

  private static let source = Schema.object([
    "key": Schema.key, "name": Schema.nullable(Schema.string), "live": Schema.bool,
    "signature": Schema.nullable(Schema.ref("SourceSignature")),
    "mapping": Schema.ref("SourceMapping"), "pull": Schema.nullable(Schema.ref("SourcePull")),
    "pull_state": Schema.nullable(pullState), "dead_letters": Schema.count,
    "version": Schema.count, "created_at": Schema.instant, "updated_at": Schema.instant,
  ])

  private static let fault = Schema.object([
    "code": Schema.string, "pointer": Schema.string, "field": Schema.string,
    "detail": Schema.string,
  ])
  private static let faults = Schema.array(Schema.ref("MappingFault"))

  private static let test = Schema.object([
    "items": Schema.array(
      Schema.object([
        "index": Schema.count,
        "outcome": Schema.choice(["accepted", "ignored", "dead_letter"]),
        "identities": Schema.map(Schema.string),
        "event": Schema.nullable(
          Schema.object([
            "name": Schema.string, "timestamp": Schema.instant,
            "message_id": Schema.nullable(Schema.string), "properties": Schema.map(Schema.any),
          ])), "attributes": Schema.map(Schema.any), "faults": faults,
      ])), "faults": faults,
  ])

  private static let deadLetter = Schema.object([
    "id": Schema.uuid, "received_at": Schema.instant, "index": Schema.count,
    "delivery_id": Schema.nullable(Schema.string), "faults": faults,
    "headers": Schema.map(Schema.string),
    // The item as JSON; null when it is none, or too long for a list.
    "body": Schema.any, "text": Schema.nullable(Schema.string), "bytes": Schema.count,
    "truncated": Schema.bool, "tries": Schema.count, "tried_at": Schema.nullable(Schema.instant),
  ])

  private static let receipt = Schema.object([
    "accepted": Schema.count, "duplicates": Schema.count, "ignored": Schema.count,
    "dead_letters": Schema.count,
  ])

  private static let replayOutcome = Schema.object([
    "outcome": Schema.choice(["accepted", "duplicate", "ignored", "dead_letter"]),
    "faults": faults,
  ])

  private static let replayReport = Schema.object([
    "accepted": Schema.count, "duplicates": Schema.count, "ignored": Schema.count,
    "failed": Schema.count,
  ])
}
