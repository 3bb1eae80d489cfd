import HTTP
import JSON

enum SenderRoutes {
  static func endpoints(_ senders: Senders) -> [Endpoint] {
    catalogue(senders) + actions(senders)
  }

  private static func catalogue(_ senders: Senders) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/senders/{key}", .writers,
        Operation(
          "putSender",
          "Configure an adapter account. Secrets are stored encrypted and never shown.",
          tag: "Senders", request: request(senders.registry),
          responses: [200: Schema.ref("Sender"), 201: Schema.ref("Sender")],
          errors: [.preconditionFailed, .secretsUnreadable, .conflict])
      ) { call in
        let key = try call.key("key")
        let draft = try call.read { reader, faults in
          SenderDraft(key: key, senders.registry, reader, faults)
        }
        let (stored, created) = try await senders.put(
          draft, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return .resource(stored.json, version: stored.version, created: created)
      },
      Endpoint(
        .get, "/v1/senders", .readers,
        Operation(
          "listSenders", "All senders.", tag: "Senders",
          query: Operation.paging + [
            .init("channel", Schema.choice(Channel.allCases.map(\.rawValue)), "Only these.")
          ], responses: [200: Schema.page(Schema.ref("Sender"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let channel = try call.request.choice("channel", Channel.allCases.map(\.rawValue))
        return .page(try await senders.list(page, channel: channel), call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/senders/{key}", .readers,
        Operation(
          "getSender", "One sender.", tag: "Senders", responses: [200: Schema.ref("Sender")],
          errors: [.notFound])
      ) { call in
        let stored = try await senders.get(call.path("key"))
        return .resource(stored.json, version: stored.version)
      },
      Endpoint(
        .delete, "/v1/senders/{key}", .writers,
        Operation(
          "deleteSender", "Archive a sender and drop its secrets.", tag: "Senders",
          responses: [204: nil], errors: [.notFound])
      ) { call in
        try await senders.delete(call.path("key"), by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  private static func actions(_ senders: Senders) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/senders/{key}/test", .roles([.admin]),
        Operation(
          "testSender",
          "Send one message through a sender now, past every approval, and answer what came of it.",
          tag: "Senders", request: testRequest, responses: [200: Schema.ref("SenderTest")],
          errors: [.notFound, .secretsUnreadable])
      ) { call in
        let test = try call.read { reader, _ in SenderTest(reader) }
        let outcome = try await senders.test(
          call.path("key"), { try test.message(for: $0, now: call.now) }, by: call.caller,
          now: call.now)
        return .json(200, outcome.json)
      },
      state("pause", "pauseSender", "Stop handing messages to a sender.", .paused, senders),
      state("resume", "resumeSender", "Hand messages to a sender again.", .active, senders),
    ]
  }

  private static func state(
    _ verb: String, _ id: String, _ summary: String, _ state: Sender.State, _ senders: Senders
  ) -> Endpoint {
    Endpoint(
      .post, "/v1/senders/{key}/\(verb)", .writers,
      Operation(
        id, summary, tag: "Senders", responses: [200: Schema.ref("Sender")], errors: [.notFound])
    ) { call in
      let reason = state == .paused ? "paused by \(call.caller.principal)" : nil
      let stored = try await senders.setState(
        call.path("key"), state, reason: reason, by: call.caller, now: call.now)
      return .resource(stored.json, version: stored.version)
    }
  }
}
