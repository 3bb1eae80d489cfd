import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Roles") struct RoleTests {
  /// A path that fits the pattern and names nothing.
  private static func target(_ pattern: String) -> String {
    pattern.split(separator: "/").map { segment in
      switch segment {
      case "{id}": UUID().text
      case "{u}": "external_id:nobody"
      case "{version}": "1"
      case let name where name.hasPrefix("{"): "none"
      default: String(segment)
      }
    }.reduce("") { "\($0)/\($1)" }
  }

  @Test("every endpoint lets in exactly the roles it names", arguments: Role.allCases)
  func table(role: Role) async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(role, "somebody")
      for endpoint in herald.app.endpoints {
        guard case .roles(let roles) = endpoint.access else { continue }
        let name = "\(endpoint.method.rawValue) \(endpoint.pattern)"
        let body: JSONValue? = endpoint.operation.request == nil ? nil : [:]
        let target = Self.target(endpoint.pattern)
        let answer = try await herald.call(endpoint.method, target, body, key: key)
        #expect((answer.code == "forbidden") == !roles.contains(role), "\(name) \(answer.status)")
        #expect((answer.status == 403) == !roles.contains(role), "\(name) \(answer.status)")
        #expect(answer.status < 500, "\(name) \(answer.json.text)")
        #expect(try await herald.call(endpoint.method, target, body).status == 401, "\(name)")
      }
    }
  }

  @Test("only what must be open is open")
  func open() async throws {
    try await HeraldInProcess.with { herald in
      let open = herald.app.endpoints.filter { $0.access == .open }.map(\.pattern)
      #expect(
        Set(open) == [
          "/healthz", "/readyz", "/openapi.json", "/v1/schemas/{name}", "/v1/receipts/{sender}",
          "/metrics", "/u/{token}", "/v1/hooks/{source}",
        ])
    }
  }

  @Test("whoever may only send events reads nothing, and analysts write nothing")
  func narrow() async throws {
    try await HeraldInProcess.with { herald in
      for endpoint in herald.app.endpoints {
        guard case .roles(let roles) = endpoint.access else { continue }
        let name = "\(endpoint.method.rawValue) \(endpoint.pattern)"
        if endpoint.method == .get, endpoint.pattern != "/metrics" {
          #expect(!roles.contains(.ingest), "\(name)")
        }
        // These compute and change nothing.
        let asks = [
          "/v1/plans/{key}/dry-run", "/v1/plans/{key}/replay", "/v1/segments/preview",
          "/v1/segments/{key}/refresh",
        ]
        if endpoint.method != .get, !asks.contains(endpoint.pattern) {
          #expect(!roles.contains(.analyst), "\(name)")
        }
      }
    }
  }
}
