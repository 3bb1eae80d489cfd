import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// A whole Herald with a write key, called as the clients of the tracking API do.
struct TrackingScene {
  let herald: HeraldInProcess
  let writeKey: String
  let reader: String

  static func with(_ body: (TrackingScene) async throws -> Void) async throws {
    try await HeraldInProcess.with { herald in
      try await body(
        TrackingScene(
          herald: herald, writeKey: try await herald.key(.ingest, "shop"),
          reader: try await herald.key(.operator, "li.lei")))
    }
  }

  var now: Date { herald.clock.now }

  /// With Basic, as both Python clients send their write key.
  @discardableResult
  func send(
    _ path: String, _ body: JSONValue? = nil, text: String? = nil, key: String? = nil,
    headers: HTTPHeaders = [:]
  ) async throws -> HeraldInProcess.Answer {
    var headers = headers
    let pair = Data("\(key ?? writeKey):".utf8).base64EncodedString()
    if headers["authorization"] == nil { headers["authorization"] = "Basic \(pair)" }
    return try await herald.call(
      .post, path, body, bytes: text.map { Array($0.utf8) }, headers: headers)
  }

  @discardableResult
  func batch(_ messages: [JSONValue], sentAt: Date? = nil) async throws -> HeraldInProcess.Answer {
    var body: JSONObject = ["batch": .array(messages)]
    if let sentAt { body["sentAt"] = .instant(sentAt) }
    let answer = try await send("/v1/batch", .object(body))
    #expect(answer.status == 200)
    #expect(answer.json == ["success": true])
    return answer
  }

  /// The events of a user, oldest first.
  func events(of ref: String) async throws -> [JSONValue] {
    let answer = try await herald.call(.get, "/v1/users/\(ref)/timeline", key: reader)
    return (answer.json["data"]?.arrayValue ?? []).filter { $0["type"] == "event" }.reversed()
  }

  func user(_ ref: String) async throws -> JSONValue {
    try await herald.call(.get, "/v1/users/\(ref)", key: reader).json
  }

  func violations(_ query: String = "") async throws -> [JSONValue] {
    let answer = try await herald.call(.get, "/v1/violations\(query)", key: reader)
    #expect(answer.status == 200)
    return answer.json["data"]?.arrayValue ?? []
  }

  /// The column of the one event there is.
  func context() async throws -> JSONValue {
    let row = try await herald.app.db.read { try $0.one("SELECT context FROM events") }
    return try row?.optionalJSON("context") ?? .null
  }
}
