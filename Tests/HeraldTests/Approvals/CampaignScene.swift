import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// A crowd with all that a plan needs, and the people who make one: an author, an approver and an
/// admin.
struct CampaignScene {
  let herald: HeraldInProcess
  let author: String
  let approver: String
  let admin: String

  static func with(_ body: (CampaignScene) async throws -> Void) async throws {
    try await HeraldInProcess.with { herald in
      let scene = CampaignScene(
        herald: herald, author: try await herald.key(.operator, "li.lei"),
        approver: try await herald.key(.approver, "wang.fang"),
        admin: try await herald.key(.admin, "zhao.min"))
      try await scene.furnish()
      try await body(scene)
    }
  }

  private func furnish() async throws {
    try await put("segments/crowd", ["name": "Crowd", "condition": ["all": []], "refresh": "live"])
    try await put(
      "templates/p",
      [
        "channel": "push",
        "content": ["title": "Hi", "body": "Hi {{ user.name | default: 'you' }}"],
      ]
    )
    try await put(
      "templates/m", ["channel": "sms", "content": ["text": "Hi", "signature": "Herald"]])
    for channel in ["push", "sms"] {
      try await put(
        "senders/gw-\(channel)",
        ["channel": .string(channel), "adapter": "record", "config": ["idempotent": true]])
    }
  }

  /// PUT as the admin; it must succeed.
  func put(_ path: String, _ body: JSONValue) async throws {
    let answer = try await herald.call(.put, "/v1/\(path)", body, key: admin)
    try #require(answer.status < 300, "\(path): \(String(decoding: answer.bytes, as: UTF8.self))")
  }

  func coupon(_ key: String, codes: Int) async throws {
    try await put(
      "coupons/\(key)",
      CouponFixture.document(count: codes, pattern: "\(key.uppercased())-########"))
  }

  /// People u-0…, each with a device, a phone, a name and consent to both channels, changed by
  /// `edit`.
  func people(
    _ count: Int, _ edit: (Int, inout JSONObject) -> Void = { _, _ in }
  ) async throws {
    let users = (0..<count).map { n -> JSONValue in
      var user: JSONObject = [
        "identities": ["external_id": "u-\(n)", "phone": .string("+86138\(10_000_000 + n)")],
        "attributes": ["name": "用户\(n)", "n": .int(n)],
        "consents": ["push": "granted", "sms": "granted"],
        "devices": [["platform": "ios", "token": "t-\(n)", "provider": "apns"]],
      ]
      edit(n, &user)
      return .object(user)
    }
    let answer = try await herald.call(
      .post, "/v1/users/batch", ["users": .array(users)], key: admin)
    let statuses = Set(answer.json["results"]?.arrayValue?.map { $0["status"]?.intValue } ?? [])
    try #require(
      count == 0 || statuses == [201], "\(String(decoding: answer.bytes, as: UTF8.self))")
  }

  /// A plan as the author writes it; must be good.
  func draft(_ text: String, key: String = "hello", by writer: String? = nil) async throws {
    let answer = try await write(text, key: key, by: writer ?? author)
    try #require(answer.status < 300, "\(String(decoding: answer.bytes, as: UTF8.self))")
  }

  func write(
    _ text: String, key: String = "hello", by writer: String
  ) async throws -> HeraldInProcess.Answer {
    try await herald.call(
      .put, "/v1/plans/\(key)", JSONScanner.parse(Array(text.utf8)), key: writer)
  }

  func submit(_ key: String = "hello", by submitter: String? = nil) async throws
    -> HeraldInProcess.Answer
  {
    try await herald.call(.post, "/v1/plans/\(key)/submit", key: submitter ?? author)
  }

  func decide(
    _ verb: String, _ submission: HeraldInProcess.Answer, by decider: String, hash: String? = nil
  ) async throws -> HeraldInProcess.Answer {
    let id = submission.json["approval"]?.stringValue ?? "none"
    let hash = hash ?? submission.json["hash"]?.stringValue ?? ""
    return try await herald.call(
      .post, "/v1/approvals/\(id)/\(verb)", ["hash": .string(hash)], key: decider)
  }

  func approve(
    _ submission: HeraldInProcess.Answer, by decider: String? = nil
  ) async throws -> HeraldInProcess.Answer {
    try await decide("approve", submission, by: decider ?? approver)
  }

  /// From the text to an approved plan.
  func launch(_ text: String, key: String = "hello") async throws {
    try await draft(text, key: key)
    let submitted = try await submit(key)
    try #require(submitted.status == 201, "\(String(decoding: submitted.bytes, as: UTF8.self))")
    let approved = try await approve(submitted)
    try #require(approved.status == 200, "\(String(decoding: approved.bytes, as: UTF8.self))")
  }

  /// Dispatches what is due now, then what is due after each of `waits`.
  func drain(_ waits: TimeInterval...) async throws {
    try await herald.app.dispatcher.drain()
    for wait in waits {
      herald.clock.advance(by: wait)
      try await herald.app.dispatcher.drain()
    }
  }

  func accounting(_ key: String = "hello") async throws -> JSONValue {
    try await herald.call(.get, "/v1/plans/\(key)/accounting", key: admin).json
  }

  func states(_ key: String = "hello") async throws -> [String] {
    let plan = try await herald.call(.get, "/v1/plans/\(key)", key: admin).json
    return plan["versions"]?.arrayValue?.compactMap { $0["state"]?.stringValue } ?? []
  }

  /// `external_id channel body-or-text` of everything handed over, sorted.
  var sent: [String] {
    herald.channel.messages.map { message in
      let text = message.content["body"] ?? message.content["text"]
      return "\(message.externalID ?? "-") \(message.channel.rawValue) \(text?.stringValue ?? "-")"
    }.sorted()
  }
}
