import Foundation
import HTTP
import JSON
import Logging

/// Herald's API as a client over the network sees it.
public struct APIClient: Sendable {
  public struct Failure: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
  }

  public let base: String
  public let key: String
  private let http: HTTPClient

  public init(base: String, key: String) {
    self.base = base
    self.key = key
    http = HTTPClient(
      ClientConfiguration(allowPrivateAddresses: true),
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
  }

  private init(base: String, key: String, http: HTTPClient) {
    self.base = base
    self.key = key
    self.http = http
  }

  /// The same connections under another key.
  public func with(key: String) -> APIClient { APIClient(base: base, key: key, http: http) }

  public func send(
    _ method: String, _ path: String, _ body: JSONValue? = nil,
    headers: [(String, String)] = [], timeout: Duration = .seconds(60)
  ) async -> ClientOutcome {
    await http.send(
      ClientRequest(
        method: method, url: base + path,
        headers: [("Authorization", "Bearer \(key)")] + headers
          + (body == nil ? [] : [("Content-Type", "application/json")]),
        body: body?.bytes ?? [], timeout: timeout, maxResponseBytes: 16 << 20))
  }

  /// A body as it is, of a type of its own.
  public func send(
    _ path: String, bytes: [UInt8], type: String = "application/json",
    timeout: Duration = .seconds(60)
  ) async -> ClientOutcome {
    await http.send(
      ClientRequest(
        method: "POST", url: base + path,
        headers: [("Authorization", "Bearer \(key)"), ("Content-Type", type)],
        body: bytes, timeout: timeout, maxResponseBytes: 16 << 20))
  }

  /// The answer's body; throws for any status but 2xx.
  @discardableResult
  public func call(
    _ method: String, _ path: String, _ body: JSONValue? = nil,
    headers: [(String, String)] = []
  ) async throws -> JSONValue {
    switch await send(method, path, body, headers: headers) {
    case .response(let response) where 200..<300 ~= response.status:
      return response.body.isEmpty ? .null : try JSONScanner.parse(response.body)
    case .response(let response):
      throw Failure(
        description: "\(method) \(path): \(response.status) "
          + String(decoding: response.body.prefix(2000), as: UTF8.self))
    case .notSent(let reason), .forbidden(let reason), .unknown(let reason):
      throw Failure(description: "\(method) \(path): \(reason)")
    }
  }
}
