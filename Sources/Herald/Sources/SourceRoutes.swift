import Foundation
import HTTP
import JSON

enum SourceRoutes {
  static func endpoints(_ sources: Sources) -> [Endpoint] {
    catalogue(sources) + actions(sources) + deadLetters(sources) + [hook(sources)]
  }

  private static func catalogue(_ sources: Sources) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/sources/{key}", .writers,
        Operation(
          "putSource",
          "Configure another system that events come from: how its webhooks are signed, what they "
            + "become, what is pulled. Secrets are stored encrypted and never shown.",
          tag: "Sources", request: request,
          responses: [200: Schema.ref("Source"), 201: Schema.ref("Source")],
          errors: [.preconditionFailed, .secretsUnreadable])
      ) { call in
        let key = try call.key("key")
        let draft = try call.read { reader, _ in
          SourceDraft(key: key, reader, allowPrivate: sources.allowPrivate)
        }
        let (view, created) = try await sources.put(
          draft, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return .resource(view.json, version: view.stored.version, created: created)
      },
      Endpoint(
        .get, "/v1/sources", .readers,
        Operation(
          "listSources", "All sources.", tag: "Sources", query: Operation.paging,
          responses: [200: Schema.page(Schema.ref("Source"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        return .page(try await sources.list(page), call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/sources/{key}", .readers,
        Operation(
          "getSource", "One source, with how its pull stands.", tag: "Sources",
          responses: [200: Schema.ref("Source")], errors: [.notFound])
      ) { call in
        let view = try await sources.get(call.path("key"))
        return .resource(view.json, version: view.stored.version)
      },
      Endpoint(
        .delete, "/v1/sources/{key}", .writers,
        Operation(
          "deleteSource", "Archive a source; its secrets and dead letters go.", tag: "Sources",
          responses: [204: nil], errors: [.notFound])
      ) { call in
        try await sources.delete(call.path("key"), by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  private static func actions(_ sources: Sources) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/sources/{key}/test", .writers,
        Operation(
          "testSource", "What a body would become. Nothing is stored.", tag: "Sources",
          request: testRequest, responses: [200: Schema.ref("SourceTest")], errors: [.notFound])
      ) { call in
        let test = try call.read { reader, _ in SourceTest(reader) }
        return .json(200, try await sources.test(call.path("key"), test, now: call.now))
      },
      Endpoint(
        .post, "/v1/sources/{key}/rotate", .writers,
        Operation(
          "rotateSource",
          "Replace the signing secret; the one before stays good until the given instant, a day "
            + "when there is none.",
          tag: "Sources", request: rotateRequest, responses: [200: Schema.ref("Source")],
          errors: [.notFound, .wrongState, .secretsUnreadable])
      ) { call in
        let (secret, until) = try call.read { reader, _ in
          let secret = reader.string("secret", required: true, minLength: 1, maxLength: 4096)
          let until = reader.instant("previous_until") ?? call.now.addingTimeInterval(86_400)
          return secret.map { ($0, until) }
        }
        let view = try await sources.rotate(
          call.path("key"), to: secret, previousUntil: until, by: call.caller, now: call.now)
        return .resource(view.json, version: view.stored.version)
      },
      Endpoint(
        .post, "/v1/sources/{key}/pull", .writers,
        Operation(
          "pullSource", "Pull now instead of when it is due; a worker does it.", tag: "Sources",
          responses: [202: Schema.ref("Source")], errors: [.notFound, .wrongState])
      ) { call in
        let view = try await sources.pull(call.path("key"), by: call.caller, now: call.now)
        return .json(202, view.json)
      },
    ]
  }

  private static func deadLetters(_ sources: Sources) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/sources/{key}/dead-letters", .writers,
        Operation(
          "listDeadLetters", "What came in and could not become an event, newest first.",
          tag: "Sources", query: Operation.paging,
          responses: [200: Schema.page(Schema.ref("DeadLetter"))], errors: [.notFound])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let letters = try await sources.deadLetters(of: call.path("key"), page, for: call.caller)
        return .page(letters, call.request) { $0.json(whole: false) }
      },
      Endpoint(
        .get, "/v1/sources/{key}/dead-letters/{id}", .writers,
        Operation(
          "getDeadLetter", "One dead letter with its whole body.", tag: "Sources",
          responses: [200: Schema.ref("DeadLetter")], errors: [.notFound])
      ) { call in
        let letter = try await sources.deadLetter(
          call.letter(), of: call.path("key"), for: call.caller)
        return .json(200, letter.json(whole: true))
      },
      Endpoint(
        .delete, "/v1/sources/{key}/dead-letters/{id}", .writers,
        Operation(
          "deleteDeadLetter", "Give a dead letter up.", tag: "Sources", responses: [204: nil],
          errors: [.notFound])
      ) { call in
        try await sources.discard(
          call.letter(), of: call.path("key"), by: call.caller, now: call.now)
        return .noContent
      },
      Endpoint(
        .post, "/v1/sources/{key}/dead-letters/{id}/replay", .writers,
        Operation(
          "replayDeadLetter", "Map it again as the source is now.", tag: "Sources",
          responses: [200: Schema.ref("ReplayOutcome")], errors: [.notFound])
      ) { call in
        let outcome = try await sources.replay(
          call.letter(), of: call.path("key"), by: call.caller, now: call.now)
        return .json(200, outcome.json)
      },
      Endpoint(
        .post, "/v1/sources/{key}/dead-letters/replay", .writers,
        Operation(
          "replayDeadLetters", "Map all dead letters again as the source is now.", tag: "Sources",
          responses: [200: Schema.ref("ReplayReport")], errors: [.notFound])
      ) { call in
        let report = try await sources.replayAll(
          of: call.path("key"), by: call.caller, now: call.now)
        return .json(200, report.json)
      },
    ]
  }

  private static func hook(_ sources: Sources) -> Endpoint {
    Endpoint(
      .post, "/v1/hooks/{source}", .open,
      Operation(
        "takeHook",
        "A webhook of another system. The signature takes the place of a key; what is answered with "
          + "200 is durable, and what cannot become an event is among the dead letters.",
        tag: "Sources", request: Schema.any, requestTypes: ["application/json", "*/*"],
        responses: [200: Schema.ref("HookReceipt")],
        errors: [
          .unauthorized, .notFound, .tooLarge, .throttled, .unavailable, .secretsUnreadable,
        ]),
      body: .buffered(limit: Sources.bodyBytes)
    ) { call in
      let tally = try await sources.take(call.request, from: call.path("source"), now: call.now)
      return .json(200, tally.json)
    }
  }
}

extension Call {
  fileprivate func letter() throws -> UUID {
    guard let id = UUID(uuidString: path("id")) else {
      throw HeraldError.notFound("dead letter", path("id"))
    }
    return id
  }
}

extension ItemOutcome {
  fileprivate var json: JSONValue {
    switch self {
    case .accepted: ["outcome": "accepted", "faults": []]
    case .duplicate: ["outcome": "duplicate", "faults": []]
    case .ignored: ["outcome": "ignored", "faults": []]
    case .dead(let faults): ["outcome": "dead_letter", "faults": .array(faults)]
    }
  }
}

extension ReplayReport {
  fileprivate var json: JSONValue {
    [
      "accepted": .int(accepted), "duplicates": .int(duplicates), "ignored": .int(ignored),
      "failed": .int(failed),
    ]
  }
}
