import Foundation
import HTTP
import JSON

enum ConsentRoutes {
  static func endpoints(_ consents: Consents) -> [Endpoint] {
    [put(consents), list(consents), history(consents)]
  }

  static let components: JSONObject = ["Consent": Consent.schema]

  private static func put(_ consents: Consents) -> Endpoint {
    Endpoint(
      .put, "/v1/users/{u}/consents/{channel}", .writers,
      Operation(
        "putConsent",
        "Say what a person agreed to: of the channel, or with `group` of one subscription group on "
          + "it, which is the `category` of plans. A denial of either holds messages back. With an "
          + "`at` older than what is known it only joins the history; the answer is what holds.",
        tag: "Users", path: ["channel": channel],
        request: Schema.object([
          "state": state, "group?": group, "source?": Schema.text(1...64),
          "at?": Schema.instant,
        ]), responses: [200: Schema.ref("Consent"), 201: Schema.ref("Consent")],
        errors: [.notFound])
    ) { call in
      let ref = try UserRef.inPath(call.path("u"))
      guard let channel = Channel(rawValue: call.path("channel")) else {
        throw HeraldError.notFound("channel", call.path("channel"))
      }
      let now = call.now
      let (statement, group) = try call.read { reader, _ in
        ConsentStatement(reader, now: now).map { ($0, reader.consentGroup("group")) }
      }
      let (consent, created) = try await consents.put(
        statement, Subscription(channel, group: group ?? ""), of: ref, by: call.caller, now: now)
      return .json(created ? 201 : 200, consent.json)
    }
  }

  private static func list(_ consents: Consents) -> Endpoint {
    Endpoint(
      .get, "/v1/users/{u}/consents", .readers,
      Operation(
        "listConsents", "What a person agreed to; a channel without an entry is unknown.",
        tag: "Users",
        responses: [200: Schema.page(Schema.ref("Consent"))], errors: [.notFound])
    ) { call in
      let all = try await consents.list(
        try UserRef.inPath(call.path("u")), for: call.caller, now: call.now)
      return .json(200, ["data": .array(all.map(\.json)), "next": .null])
    }
  }

  private static func history(_ consents: Consents) -> Endpoint {
    Endpoint(
      .get, "/v1/users/{u}/consents/history", .readers,
      Operation(
        "listConsentHistory", "Everything a person said of consents, newest first.", tag: "Users",
        query: Operation.paging + [
          .init("channel", channel, "Only this channel, as a whole unless `group` is given."),
          .init("group", group, "Only this group of `channel`."),
        ], responses: [200: Schema.page(Schema.ref("Consent"))], errors: [.notFound])
    ) { call in
      let page = try await consents.history(
        try UserRef.inPath(call.path("u")), try PageRequest(call.request, width: 2),
        try call.request.subscription(), for: call.caller, now: call.now)
      return .page(page, call.request, item: \.consent.json)
    }
  }

  private static let state = Schema.choice(ConsentState.allCases.map(\.rawValue))
  private static let channel = Schema.choice(Channel.allCases.map(\.rawValue))
  private static let group = Schema.text(Subscription.groupLength)
}

extension Consent {
  var json: JSONValue {
    [
      "channel": .string(subscription.channel.rawValue),
      "group": subscription.isWholeChannel ? .null : .string(subscription.group),
      "state": .string(state.rawValue), "source": .string(source), "at": .instant(at),
    ]
  }

  static let schema = Schema.object([
    "channel": Schema.choice(Channel.allCases.map(\.rawValue)),
    "group": Schema.nullable(Schema.string),
    "state": Schema.choice(ConsentState.allCases.map(\.rawValue)), "source": Schema.string,
    "at": Schema.instant,
  ])
}

extension ConsentStatement {
  fileprivate init?(_ reader: ObjectReader, now: Date) {
    let state = reader.choice("state", ConsentState.self, required: true)
    let source = reader.string("source", minLength: 1, maxLength: 64)
    let at = reader.instant("at")
    if let at, at > now {
      reader.add(.outOfRange, "at", "Nobody has said anything in the future; leave `at` out.")
    }
    guard let state else { return nil }
    self.init(state: state, source: source ?? "api", at: at)
  }
}

extension ObjectReader {
  fileprivate func consentGroup(_ key: String) -> String? {
    guard let text = string(key, minLength: 1, maxLength: Subscription.groupLength.upperBound)
    else { return nil }
    if !Subscription.isGroup(text) {
      add(.invalidFormat, key, "A group has no control characters.")
    }
    return text
  }
}

extension Request {
  /// Of `channel` and `group` in the query.
  fileprivate func subscription() throws -> Subscription? {
    let channel = try choice("channel", Channel.allCases.map(\.rawValue)).flatMap(Channel.init)
    guard let channel else {
      guard query("group") == nil else {
        throw HeraldError(.badQuery, "`group` goes with `channel`.", pointer: "group")
      }
      return nil
    }
    return Subscription(channel, group: query("group") ?? "")
  }
}
