import Foundation
import HTTP
import JSON

enum JobRoutes {
  static func endpoints(_ jobs: Jobs) -> [Endpoint] {
    [importing(jobs)] + reading(jobs) + [
      Endpoint(
        .delete, "/v1/jobs/{id}", .writers,
        Operation(
          "cancelJob", "Stop a job; what it has done stays.", tag: "Jobs", responses: [204: nil],
          errors: [.notFound, .wrongState])
      ) { call in
        try await jobs.cancel(try call.jobID(), by: call.caller, now: call.now)
        return .noContent
      }
    ]
  }

  private static func importing(_ jobs: Jobs) -> Endpoint {
    Endpoint(
      .post, "/v1/imports", .writers,
      Operation(
        "createImport",
        "Import users, events or the list of a segment from CSV or NDJSON, plain or gzip.",
        tag: "Jobs",
        query: [
          .init(
            "kind",
            Schema.oneOf([
              Schema.choice(["users", "events"]),
              ["type": "string", "pattern": "^segment:[a-z0-9_-]{1,64}$"],
            ]),
            "What the file holds: users, events, or segment:{key}.", required: true),
          .init(
            "triggers", Schema.choice(["true", "false"]),
            "Whether imported events fire triggers as live ones do; history (false) does not."),
        ], request: Schema.string,
        requestTypes: [
          "text/csv", "application/x-ndjson", "application/csv", "application/ndjson",
          "application/jsonl",
        ],
        responses: [202: Schema.object(["job": Schema.uuid])], errors: [.notFound, .wrongState]),
      body: .streamed(limit: 8 << 30)
    ) { call in
      guard let kind = call.request.query("kind").flatMap(Job.Kind.init) else {
        throw HeraldError(
          .badQuery, "`kind` must be users, events or segment:{key}.", pointer: "kind")
      }
      let firesTriggers = try call.request.choice("triggers", ["true", "false"]) == "true"
      if firesTriggers, kind != .events {
        throw HeraldError(
          .badQuery, "Only an import of events can fire triggers.", pointer: "triggers")
      }
      let format = try Job.Format(contentType: call.request.headers["content-type"])
      let body = call.request.bodyStream ?? BodyStream(pieces: [call.request.body])
      let id = try await jobs.receive(
        kind, format, firesTriggers: firesTriggers, body, by: call.caller, now: call.now)
      var response = Response.json(202, ["job": .id(id)])
      response.headers["location"] = "/v1/jobs/\(id.text)"
      return response
    }
  }

  private static func reading(_ jobs: Jobs) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/jobs", .readers,
        Operation(
          "listJobs", "Jobs, newest first.", tag: "Jobs",
          query: Operation.paging + [.init("state", states, "Only these.")],
          responses: [200: Schema.page(Schema.ref("Job"))])
      ) { call in
        let state = try call.request.choice("state", Job.State.allCases.map(\.rawValue))
        let page = try PageRequest(call.request, width: 1)
        return .page(try await jobs.list(page, state: state), call.request) { $0.json }
      },
      Endpoint(
        .get, "/v1/jobs/{id}", .readers,
        Operation(
          "getJob", "How far a job is.", tag: "Jobs", responses: [200: Schema.ref("Job")],
          errors: [.notFound])
      ) { call in
        .json(200, try await jobs.get(try call.jobID()).json)
      },
      Endpoint(
        .get, "/v1/jobs/{id}/errors", .readers,
        Operation(
          "getJobErrors", "The records that were not taken, and why, as CSV.", tag: "Jobs",
          responses: [200: Schema.string], responseType: "text/csv", errors: [.notFound])
      ) { call in
        let id = try await jobs.get(try call.jobID()).id
        return Response(
          status: 200,
          headers: [
            "content-type": "text/csv; charset=utf-8",
            "content-disposition": "attachment; filename=\"errors-\(id.text).csv\"",
          ], body: .stream { try await jobs.writeErrors(of: id, to: $0) })
      },
    ]
  }

  static let components: JSONObject = [
    "Job": Schema.object([
      "id": Schema.uuid, "kind": Schema.string, "state": states, "done": Schema.count,
      "failed": Schema.count, "total": Schema.nullable(Schema.count),
      "problem": Schema.nullable(Schema.string), "created_by": Schema.string,
      "created_at": Schema.instant, "updated_at": Schema.instant,
      "finished_at": Schema.nullable(Schema.instant),
    ])
  ]

  private static let states = Schema.choice(Job.State.allCases.map(\.rawValue))
}

extension Call {
  fileprivate func jobID() throws -> UUID {
    guard let id = UUID(uuidString: path("id")) else {
      throw HeraldError.notFound("job", path("id"))
    }
    return id
  }
}

extension Job.Format {
  /// 415 for anything but CSV and NDJSON.
  fileprivate init(contentType: String?) throws {
    let type = (contentType ?? "").split(separator: ";").first.map {
      IdentityForm.trim(String($0)).lowercased()
    }
    switch type {
    case "text/csv", "application/csv": self = .csv
    case "application/x-ndjson", "application/ndjson", "application/jsonl": self = .ndjson
    default:
      throw HeraldError(
        .unsupportedMediaType,
        "An import is text/csv or application/x-ndjson; say which in Content-Type.")
    }
  }
}

extension Job {
  fileprivate var json: JSONValue {
    [
      "id": .id(id), "kind": .string(kind), "state": .string(state.rawValue), "done": .int(done),
      "failed": .int(failed), "total": .optional(total), "problem": .optional(problem),
      "created_by": .string(createdBy), "created_at": .instant(createdAt),
      "updated_at": .instant(updatedAt), "finished_at": .instant(finishedAt),
    ]
  }
}
