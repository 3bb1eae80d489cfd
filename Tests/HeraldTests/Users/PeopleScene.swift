import Foundation
import HTTP
import JSON

@testable import Herald

/// The people of tests that go through the whole application.
extension HeraldInProcess.Answer {
  func discard() {}
}

extension HeraldInProcess {
  /// Creates a user of that external_id; the id.
  @discardableResult
  func user(_ externalID: String, _ more: JSONObject = [:], key: String) async throws -> String {
    var body: JSONObject = ["identities": ["external_id": .string(externalID)]]
    for (name, value) in more { body[name] = value }
    return try await call(.post, "/v1/users", .object(body), key: key).json["id"]?.stringValue ?? ""
  }
}
