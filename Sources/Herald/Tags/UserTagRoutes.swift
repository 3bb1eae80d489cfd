import HTTP
import JSON

/// Tags on users; the catalogue has routes of its own.
enum UserTagRoutes {
  static func endpoints(_ tags: Tags) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/users/{u}/tags/{key}", .writers,
        Operation(
          "putUserTag", "Set a tag on a user.", tag: "Tags", request: request,
          requestRequired: false,
          responses: [200: Schema.ref("UserTag"), 201: Schema.ref("UserTag")],
          errors: [.notFound])
      ) { call in
        let ref = try UserRef.inPath(call.path("u"))
        let (value, expiresAt) = try call.readOptionally { reader in
          (reader.value("value"), reader.instant("expires_at"))
        }
        let (tag, created) = try await tags.set(
          call.path("key"), on: ref, value: value, expiresAt: expiresAt, by: call.caller,
          now: call.now)
        return .json(created ? 201 : 200, tag.json)
      },
      Endpoint(
        .delete, "/v1/users/{u}/tags/{key}", .writers,
        Operation(
          "deleteUserTag", "Take a tag from a user.", tag: "Tags", responses: [204: nil],
          errors: [.notFound])
      ) { call in
        try await tags.remove(
          call.path("key"), from: try UserRef.inPath(call.path("u")), by: call.caller,
          now: call.now)
        return .noContent
      },
      Endpoint(
        .post, "/v1/tags/{key}/users", .writers,
        Operation(
          "tagUsers", "Set a tag on some users, take it from others; up to 10,000 each.",
          tag: "Tags", request: bulkRequest, responses: [200: Schema.ref("TaggedUsers")],
          errors: [.notFound]), body: .buffered(limit: 8 << 20)
      ) { call in
        let change = try call.read { reader, _ in
          Tags.BulkChange(
            add: reader.userRefs("add"), remove: reader.userRefs("remove"),
            value: reader.value("value"), expiresAt: reader.instant("expires_at"))
        }
        let results = try await tags.change(
          call.path("key"), change, by: call.caller, now: call.now)
        return .json(
          200,
          [
            "add": .results(results.add, requestID: call.requestID),
            "remove": .results(results.remove, requestID: call.requestID),
          ])
      },
    ]
  }

  static let components: JSONObject = [
    "UserTag": Schema.object([
      "tag": Schema.key, "value": value, "source": Schema.string,
      "created_at": Schema.instant, "updated_at": Schema.instant,
      "expires_at": Schema.nullable(Schema.instant),
    ]),
    "TaggedUsers": Schema.object([
      "add": Schema.array(Schema.ref("UserResult")),
      "remove": Schema.array(Schema.ref("UserResult")),
    ]),
  ]

  private static let value = Schema.oneOf([Schema.bool, Schema.number, Schema.string])
  private static let request = Schema.object(["value?": value, "expires_at?": Schema.instant])
  private static let bulkRequest = Schema.object([
    "add?": Schema.array(Schema.item(Schema.text(1...320)), max: 10_000),
    "remove?": Schema.array(Schema.item(Schema.text(1...320)), max: 10_000), "value?": value,
    "expires_at?": Schema.instant,
  ])
}

extension UserTag {
  var json: JSONValue {
    [
      "tag": .string(tag), "value": value, "source": .string(source),
      "created_at": .instant(createdAt), "updated_at": .instant(updatedAt),
      "expires_at": .instant(expiresAt),
    ]
  }
}

extension Call {
  /// An empty body counts as an empty object.
  fileprivate func readOptionally<T>(_ body: (ObjectReader) throws -> T) throws -> T {
    guard request.body.isEmpty else { return try read { reader, _ in try body(reader) } }
    guard let reader = ObjectReader([:], faults: Faults()) else {
      throw HeraldError(.unexpected, "An empty object could not be read.")
    }
    return try body(reader)
  }
}

extension ObjectReader {
  /// User references, each good or bad by itself.
  fileprivate func userRefs(_ key: String) -> [Result<UserRef, HeraldError>] {
    (array(key, count: 0...10_000) ?? []).map { element in
      guard case .string(let text) = element.value else {
        return .failure(
          HeraldError.invalid([
            JSONFault(.typeMismatch, at: element.pointer, "A user is named by a string.")
          ]))
      }
      do throws(IdentityFault) {
        return .success(try UserRef(text: text))
      } catch {
        return .failure(
          HeraldError.invalid([JSONFault(.invalidFormat, at: element.pointer, error.detail)]))
      }
    }
  }
}
