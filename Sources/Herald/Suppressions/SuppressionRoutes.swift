import HTTP
import JSON

enum SuppressionRoutes {
  static func endpoints(_ suppressions: Suppressions) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/suppressions", .readers,
        Operation(
          "listSuppressions", "Addresses nothing is sent to, as hashes, by kind and hash.",
          tag: "Suppressions",
          query: Operation.paging + [
            .init("kind", Schema.choice(Suppression.kinds), "Only this kind of address."),
            .init("reason", reason, "Only these."),
          ], responses: [200: Schema.page(Schema.ref("Suppression"))])
      ) { call in
        let page = try await suppressions.list(
          try PageRequest(call.request, width: 1),
          kind: try call.request.choice("kind", Suppression.kinds),
          reason: try call.request.choice("reason", Suppression.Reason.allCases.map(\.rawValue)),
          for: call.caller)
        return .page(page, call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/suppressions/{address}", .readers,
        Operation(
          "getSuppression", "Whether, and why, an address is suppressed.", tag: "Suppressions",
          path: ["address": pathAddress], responses: [200: Schema.ref("Suppression")],
          errors: [.notFound])
      ) { call in
        .json(200, try await suppressions.get(try call.address(), for: call.caller).json)
      },
      Endpoint(
        .post, "/v1/suppressions", .writers,
        Operation(
          "addSuppressions",
          "Send nothing to these addresses any more; up to 1000, each answered by itself. Only "
            + "their hashes are kept.", tag: "Suppressions", request: request,
          responses: [
            200: Schema.object(["results": Schema.array(Schema.ref("SuppressionResult"))])
          ])
      ) { call in
        let (addresses, reason) = try call.read { reader, _ in
          (
            reader.array("addresses", required: true, count: 1...1000) ?? [],
            reader.choice("reason", Suppression.Reason.self) ?? .manual
          )
        }
        let read = addresses.map(Suppression.ID.reading)
        let good = read.compactMap { try? $0.get() }
        var new = try await suppressions.add(
          good, reason: reason, by: call.caller, now: call.now)[...]
        let results = read.enumerated().map { index, item -> JSONValue in
          switch item {
          case .success(let id):
            let status = new.popFirst() ?? false ? 201 : 200
            return ["index": .int(index), "status": .int(status), "id": .string(id.text)]
          case .failure(let error):
            return [
              "index": .int(index), "status": .int(error.code.status),
              "problem": error.problemJSON(requestID: call.requestID),
            ]
          }
        }
        return .json(200, ["results": .array(results)])
      },
      Endpoint(
        .delete, "/v1/suppressions/{address}", .admins,
        Operation(
          "removeSuppression", "Let an address be sent to again, as far as its owner consents.",
          tag: "Suppressions", path: ["address": pathAddress], responses: [204: nil],
          errors: [.notFound])
      ) { call in
        try await suppressions.remove(try call.address(), by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  static let components: JSONObject = [
    "Suppression": Schema.object([
      "id": Schema.string, "kind": Schema.choice(Suppression.kinds),
      "hash": ["type": "string", "pattern": "^[0-9a-f]{64}$"], "reason": reason,
      "created_at": Schema.instant,
    ]),
    "SuppressionResult": Schema.object([
      "index": Schema.count, "status": ["type": "integer"], "id?": Schema.string,
      "problem?": Schema.ref("Problem"),
    ]),
  ]

  private static let reason = Schema.choice(Suppression.Reason.allCases.map(\.rawValue))
  private static let address: JSONValue = [
    "type": "string", "minLength": 1, "maxLength": 2300,
    "description": "`phone:+8613800138000`, or the `id` an answer gave.",
  ]
  /// Shorter than the longest line of a request; a longer address is named by its `id`.
  private static let pathAddress: JSONValue = Schema.text(1...600)
  private static let request = Schema.object([
    "addresses": Schema.array(Schema.item(address), max: 1000), "reason?": reason,
  ])
}

extension Suppression {
  fileprivate var json: JSONValue {
    [
      "id": .string(id.text), "kind": .string(id.kind),
      "hash": .string(String(id.text.dropFirst(id.kind.count + 1))),
      "reason": .string(reason.rawValue), "created_at": .instant(createdAt),
    ]
  }
}

extension Suppression.ID {
  fileprivate static func reading(
    _ element: ObjectReader.Element
  ) -> Result<Suppression.ID, HeraldError> {
    guard case .string(let text) = element.value else {
      return .failure(
        .invalid([
          JSONFault(
            .typeMismatch, at: element.pointer,
            "A string is expected here, not \(element.value.article).")
        ]))
    }
    do {
      return .success(try Suppression.ID(text: text))
    } catch {
      return .failure(
        .invalid([JSONFault(.invalidFormat, at: element.pointer, error.detail)]))
    }
  }
}

extension Call {
  /// What is no address by its form is suppressed by nobody: 404.
  fileprivate func address() throws -> Suppression.ID {
    do {
      return try Suppression.ID(text: path("address"))
    } catch {
      throw HeraldError(.notFound, "There is no such address. \(error.detail)")
    }
  }
}
