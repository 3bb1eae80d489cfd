import Conditions
import HTTP
import JSON

enum SegmentRoutes {
  static func endpoints(_ segments: Segments) -> [Endpoint] {
    catalogue(segments) + crowds(segments)
  }

  private static func catalogue(_ segments: Segments) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/segments/{key}", .writers,
        Operation(
          "putSegment", "Declare or change a segment.", tag: "Segments", request: request,
          responses: [200: Schema.ref("Segment"), 201: Schema.ref("Segment")],
          errors: [
            .preconditionFailed, .conflict, .segmentCycle, .segmentTooLarge,
          ])
      ) { call in
        let key = try call.key("key")
        let segment = try call.read { reader, faults in Segment(key: key, reader, faults) }
        let (stored, created) = try await segments.put(
          segment, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return .resource(
          stored.json(for: call.caller), version: stored.version, created: created)
      },
      Endpoint(
        .get, "/v1/segments", .readers,
        Operation(
          "listSegments", "All segments.", tag: "Segments",
          query: Operation.paging + [
            .init("kind", Schema.choice(Segment.Kind.allCases.map(\.rawValue)), "Only these.")
          ], responses: [200: Schema.page(Schema.ref("Segment"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let kind = try call.request.choice("kind", Segment.Kind.allCases.map(\.rawValue))
        return .page(try await segments.list(page, kind: kind), call.request) {
          $0.json(for: call.caller)
        }
      },
      Endpoint(
        .get, "/v1/segments/{key}", .readers,
        Operation(
          "getSegment", "One segment.", tag: "Segments", responses: [200: Schema.ref("Segment")],
          errors: [.notFound])
      ) { call in
        let stored = try await segments.get(call.path("key"))
        return .resource(stored.json(for: call.caller), version: stored.version)
      },
      Endpoint(
        .delete, "/v1/segments/{key}", .writers,
        Operation(
          "deleteSegment", "Delete a segment; it is archived when something names it.",
          tag: "Segments", responses: [204: nil], errors: [.notFound])
      ) { call in
        try await segments.delete(call.path("key"), by: call.caller, now: call.now)
        return .noContent
      },
      Endpoint(
        .post, "/v1/segments/{key}/users", .writers,
        Operation(
          "changeSegmentUsers",
          "Add to and remove from a static list, as one new version of it. Users that cannot be "
            + "found are answered with their place and spoil nothing.",
          tag: "Segments", request: changeRequest,
          responses: [200: Schema.ref("SegmentUsersChanged")], errors: [.notFound, .wrongState])
      ) { call in
        let change = try call.read(SegmentMemberChange.init)
        let outcome = try await segments.changeMembers(
          of: call.path("key"), change, by: call.caller, now: call.now)
        return .json(200, outcome.json)
      },
    ]
  }

  private static func crowds(_ segments: Segments) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/segments/preview", .readers,
        Operation(
          "previewSegment", "How many a condition is true of now, and whom, without saving it.",
          tag: "Segments", request: Schema.object(["condition": Schema.ref("Condition")]),
          responses: [200: Schema.ref("SegmentPreview")], errors: crowdErrors)
      ) { call in
        let condition = try call.read { reader, faults in
          reader.value("condition", required: true).flatMap {
            Condition.parse($0, at: conditionPointer, faults: faults)
          }
        }
        let preview = try await segments.preview(
          condition, at: conditionPointer, by: call.caller, now: call.now)
        return .json(200, preview.json)
      },
      Endpoint(
        .get, "/v1/segments/{key}/users", .readers,
        Operation(
          "listSegmentUsers", "The members as of now, oldest user first.", tag: "Segments",
          query: Operation.paging, responses: [200: Schema.page(Schema.ref("SegmentUser"))],
          errors: [.notFound] + crowdErrors)
      ) { call in
        let page = try PageRequest(call.request, width: 2)
        let users = try await segments.users(
          of: call.path("key"), page, by: call.caller, now: call.now)
        return .page(users, call.request) { $0.memberJSON(for: call.caller) }
      },
      Endpoint(
        .post, "/v1/segments/{key}/refresh", .writers,
        Operation(
          "refreshSegment", "Count the members anew.", tag: "Segments",
          responses: [200: Schema.ref("Segment")], errors: [.notFound] + crowdErrors)
      ) { call in
        let stored = try await segments.refresh(
          call.path("key"), by: call.caller, now: call.now)
        return .resource(stored.json(for: call.caller), version: stored.version)
      },
      Endpoint(
        .get, "/v1/segments/{key}/insight", .readers,
        Operation(
          "segmentInsight", "How the members split by a tag's or attribute's value.",
          tag: "Segments",
          query: [
            .init(
              "by", ["type": "string", "pattern": "^(tag|attribute):.{1,128}$"],
              "Such as tag:tier or attribute:city.", required: true)
          ], responses: [200: Schema.ref("SegmentInsight")],
          errors: [.notFound] + crowdErrors)
      ) { call in
        let by = call.request.query("by") ?? ""
        let dimension = try SegmentCrowdStore.Dimension(query: by, for: call.caller)
        let insight = try await segments.insight(
          call.path("key"), by: dimension, by: call.caller, now: call.now)
        return .json(200, insight.json(by: by, masked: call.caller.seesMasked))
      },
    ]
  }

  private static let conditionPointer = JSONPointer.root.appending("condition")
  private static let crowdErrors: [ErrorCode] = [
    .segmentTooExpensive, .segmentTooLarge, .segmentCycle, .invalid,
  ]
}
