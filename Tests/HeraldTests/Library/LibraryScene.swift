import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

/// What tests of ready plans do over and over.
extension CampaignScene {
  /// Installs a ready plan and has it approved, as it comes.
  func install(_ key: String, _ language: String = "en") async throws {
    let installed = try await herald.call(
      .put, "/v1/plan-library/\(key)/install?language=\(language)", key: author)
    try #require(installed.status == 201, "\(installed.json.text)")
    #expect(installed.json["lacks"] == [])
    let submitted = try await submit(key)
    try #require(submitted.status == 201, "\(submitted.json.text)")
    #expect(submitted.json["hash"] == installed.json["hash"])
    let approved = try await approve(submitted)
    try #require(approved.status == 200, "\(approved.json.text)")
    try await drain()
  }

  /// As `people(_:_:)`, by the clocks of Shanghai and without names.
  func shoppers(
    _ count: Int, _ edit: @escaping (Int, inout JSONObject) -> Void = { _, _ in }
  ) async throws {
    try await people(count) { n, user in
      user["time_zone"] = "Asia/Shanghai"
      user["attributes"] = JSONValue.object(JSONObject())
      edit(n, &user)
    }
  }

  /// Keys of the tags of u-`n`, sorted.
  func tags(_ n: Int) async throws -> [String] {
    let user = try await herald.call(.get, "/v1/users/external_id:u-\(n)", key: admin).json
    return user["tags"]?.objectValue?.keys.sorted() ?? []
  }

  /// `push push sms`: the channels by which u-`n` was reached, in order.
  func channels(_ n: Int) -> String {
    messages(to: n).map(\.channel.rawValue).joined(separator: " ")
  }

  func messages(to n: Int) -> [OutboundMessage] {
    herald.channel.messages.filter { $0.externalID == "u-\(n)" }
  }

  static let day = 86_400.0
}
