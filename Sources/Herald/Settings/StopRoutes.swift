import HTTP
import JSON

enum StopRoutes {
  static func endpoints(_ stops: Stops) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/stop", .roles([.admin, .operator, .approver]),
        Operation(
          "stopDispatch",
          "The kill switch: no hand-over begins any more, of one channel or at all.",
          tag: "Operations",
          request: Schema.object(["channel?": channels, "reason?": Schema.text(0...2000)]),
          requestRequired: false,
          responses: [200: Schema.ref("StopStanding")])
      ) { call in
        let wish = try call.stopWish { $0.string("reason", maxLength: 2000) }
        let standing = try await stops.stop(
          wish.channel, reason: wish.reason, by: call.caller, now: call.now)
        return .json(200, standing.json)
      },
      Endpoint(
        .post, "/v1/start", .writers,
        Operation(
          "startDispatch", "Lift the stop of one channel, or the one of everything.",
          tag: "Operations", request: Schema.object(["channel?": channels]),
          requestRequired: false,
          responses: [200: Schema.ref("StopStanding")],
          errors: [.wrongState])
      ) { call in
        let wish = try call.stopWish { _ in nil }
        let standing = try await stops.start(wish.channel, by: call.caller, now: call.now)
        return .json(200, standing.json)
      },
      Endpoint(
        .get, "/v1/stops", .readers,
        Operation(
          "listStops", "What is stopped, by whom and why.", tag: "Operations",
          responses: [200: Schema.page(Schema.ref("Stop"))])
      ) { _ in
        .json(200, ["data": .array(try await stops.list().map(\.json)), "next": .null])
      },
    ]
  }

  static let components: JSONObject = [
    "StopStanding": Schema.object([
      "stopped": Schema.array(scope), "in_flight": Schema.count,
    ]),
    "Stop": Schema.object([
      "scope": scope, "stopped_by": Schema.string, "reason": Schema.nullable(Schema.string),
      "at": Schema.instant,
    ]),
  ]

  private static let channels = Schema.choice(Channel.allCases.map(\.rawValue))
  private static let scope = Schema.choice(
    ["all"] + Channel.allCases.map { "channel:\($0.rawValue)" })
}

extension Call {
  fileprivate struct StopWish {
    let channel: Channel?
    let reason: String?
  }

  /// The optional body: in a hurry none is needed.
  fileprivate func stopWish(_ reason: (ObjectReader) -> String?) throws -> StopWish {
    if request.body.isEmpty { return StopWish(channel: nil, reason: nil) }
    return try read { reader, _ in
      StopWish(channel: reader.choice("channel", Channel.self), reason: reason(reader))
    }
  }
}

extension Stops.Standing {
  fileprivate var json: JSONValue {
    ["stopped": .array(stopped.map(JSONValue.string)), "in_flight": .int(inFlight)]
  }
}

extension Stops.Stop {
  fileprivate var json: JSONValue {
    [
      "scope": .string(scope), "stopped_by": .string(by), "reason": .optional(reason),
      "at": .instant(at),
    ]
  }
}
