import HTTP
import JSON

enum AuditRoutes {
  static func endpoints(_ audits: Audits) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/audit", .roles([.admin, .approver]),
        Operation(
          "listAudit",
          "What was changed, newest first; to a key with a user scope only by its own principal.",
          tag: "Administration",
          query: Operation.paging + [
            .init("subject_kind", Schema.string, "Such as plan, key, settings."),
            .init("subject", Schema.string, "The key or id of what was changed."),
            .init("principal", Schema.string, "Who changed it."),
          ], responses: [200: Schema.page(Schema.ref("AuditEntry"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let entries = try await audits.list(
          page, subjectKind: call.request.query("subject_kind"),
          subject: call.request.query("subject"),
          principal: call.caller.userScope == nil
            ? call.request.query("principal") : call.caller.principal)
        return .page(entries, call.request) { $0 }
      },
      Endpoint(
        .get, "/v1/audit/verify", .roles([.admin, .approver]),
        Operation(
          "verifyAudit", "Recompute the sealed chain; names the first entry at fault.",
          tag: "Administration",
          query: [
            .init(
              "head", ["type": "string", "pattern": "^[0-9a-f]{64}$"],
              "A head noted earlier; shows a tail cut off since.")
          ], responses: [200: Schema.ref("AuditVerification")])
      ) { call in
        let head = try call.request.text("head", hash)
        let found = try await audits.verify(expectedHead: head)
        return .json(
          200,
          [
            "valid": .bool(found.valid), "sealed": .int(found.sealed),
            "head": .optional(found.head), "first_bad": .optional(found.firstBad),
            "reason": .optional(found.reason),
          ])
      },
    ]
  }

  private static let hash = TextPattern("A hash of 64 hexadecimal digits") { text in
    text.utf8.count == 64
      && text.utf8.allSatisfy {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0
      }
  }

  static let components: JSONObject = ["AuditEntry": entry, "AuditVerification": verification]

  private static let entry = Schema.object([
    "id": Schema.count, "at": Schema.instant, "principal": Schema.string,
    "key_id": Schema.nullable(Schema.uuid), "action": Schema.string,
    "subject_kind": Schema.string, "subject": Schema.string, "before": Schema.any,
    "after": Schema.any, "request_id": Schema.nullable(Schema.string),
    "hash": Schema.nullable(Schema.string),
  ])
  private static let verification = Schema.object([
    "valid": Schema.bool, "sealed": Schema.count, "head": Schema.nullable(Schema.string),
    "first_bad": Schema.nullable(Schema.count), "reason": Schema.nullable(Schema.string),
  ])
}
