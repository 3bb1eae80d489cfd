import Foundation
import HTTP
import JSON
import Logging
import Testing

@testable import Herald

/// The OpenAPI document as all endpoints together make it.
@Suite("OpenAPI document", .segmentDatabase)
struct DocumentTests {
  private static func application() -> Application {
    Application(
      pool: SegmentFixture.db.pool, registry: AdapterRegistry([]), secrets: .random(),
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
  }

  private static func document() async throws -> JSONValue {
    let endpoint = try #require(application().endpoints.first { $0.pattern == "/openapi.json" })
    let response = try await endpoint.handler(
      Call(request: Request(), caller: SegmentFixture.caller, now: SegmentFixture.now))
    guard case .bytes(let bytes) = response.body else { return .null }
    return try JSONScanner.parse(bytes)
  }

  private func references(_ value: JSONValue) -> [String] {
    switch value {
    case .array(let elements): return elements.flatMap(references)
    case .object(let object):
      return object.flatMap { key, value in
        key == "$ref" ? [value.stringValue ?? "?"] : references(value)
      }
    default: return []
    }
  }

  @Test("every reference leads to a component")
  func references() async throws {
    let document = try await Self.document()
    let all = Set(references(document))
    #expect(all.contains("#/components/schemas/Condition_window"))
    for reference in all {
      let path = reference.split(separator: "/").dropFirst()
      let found = path.reduce(document as JSONValue?) { $0?[String($1)] }
      #expect(found != nil, "\(reference) leads nowhere")
    }
  }

  @Test("a path that may name nothing documents 404, or is written by its key")
  func notFound() {
    for endpoint in Self.application().endpoints where endpoint.pattern.contains("{") {
      #expect(
        endpoint.method == .put || endpoint.operation.errors.contains(.notFound),
        "\(endpoint.method.rawValue) \(endpoint.pattern)")
    }
  }

  @Test("a 400 is documented only where something can be malformed")
  func badRequest() {
    for endpoint in Self.application().endpoints where endpoint.method == .get {
      let documented = OpenAPI.generalErrors(endpoint).contains { $0.status == 400 }
      #expect(documented != endpoint.operation.query.isEmpty, "\(endpoint.pattern)")
    }
  }

  @Test("operation ids are unique")
  func ids() {
    let ids = Self.application().endpoints.map(\.operation.id)
    #expect(Set(ids).count == ids.count)
  }
}
