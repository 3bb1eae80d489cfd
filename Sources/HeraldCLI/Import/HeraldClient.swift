import ArgumentParser
import Foundation
import HTTP
import JSON
import Logging

/// Herald's API from outside, as any program of a user's would call it: JSON over HTTP with a key.
struct HeraldClient: Sendable {
  let url: String
  let key: String
  private let http: HTTPClient

  struct Answer: Sendable {
    let status: Int
    let body: [UInt8]

    /// Null when the answer is no JSON.
    var json: JSONValue { (try? JSONScanner.parse(body)) ?? .null }
    /// Of a problem.
    var code: String? { json["code"]?.stringValue }
    var detail: String { json["detail"]?.stringValue ?? "" }
  }

  /// Nobody answered; whether the request arrived is not known unless `isUnsent`.
  struct Unreachable: Error, CustomStringConvertible {
    let url: String
    let reason: String
    let isUnsent: Bool
    var description: String { "Herald at \(url) does not answer: \(reason)." }
  }

  /// An answer other than was hoped for.
  struct Refusal: Error, CustomStringConvertible {
    let request: String
    let answer: Answer

    var description: String {
      var text = "\(request) was answered \(answer.status) \(answer.code ?? ""): \(answer.detail)"
      for place in answer.json["errors"]?.arrayValue ?? [] {
        text += "\n  \(place["pointer"]?.stringValue ?? "") \(place["detail"]?.stringValue ?? "")"
      }
      return text
    }
  }

  init(url: String, key: String, http: HTTPClient) {
    self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
    self.key = key
    self.http = http
  }

  /// Where Herald is, as asked for or by HERALD_URL. Throws what is no address of a server, at which
  /// there would be nothing to wait for.
  static func address(_ asked: String?) throws -> String {
    let text =
      asked ?? ProcessInfo.processInfo.environment["HERALD_URL"] ?? "http://127.0.0.1:8080"
    guard let url = URL(string: text), ["http", "https"].contains(url.scheme?.lowercased()),
      !(url.host ?? "").isEmpty, url.query == nil, url.fragment == nil
    else {
      throw ValidationError(
        "'\(text)' is no address of Herald; give one like http://127.0.0.1:8080.")
    }
    return text
  }

  /// Whoever starts this command chose the address: inside addresses are allowed.
  static func connection() -> HTTPClient {
    HTTPClient(
      ClientConfiguration(allowPrivateAddresses: true, userAgent: "herald-cli"),
      logger: Logger(label: "herald.client"))
  }

  /// The same Herald with another key.
  func with(key: String) -> HeraldClient { HeraldClient(url: url, key: key, http: http) }

  /// The answer, whatever its status.
  func send(
    _ method: String, _ path: String, _ body: JSONValue? = nil
  ) async throws -> Answer {
    var request = request(method, path)
    if let body {
      request.headers.append(("Content-Type", "application/json"))
      request.body = body.bytes
    }
    return try await send(request)
  }

  /// The JSON of an answer 2xx; anything else throws.
  @discardableResult
  func call(
    _ method: String, _ path: String, _ body: JSONValue? = nil
  ) async throws -> JSONValue {
    let answer = try await send(method, path, body)
    guard (200..<300).contains(answer.status) else {
      throw Refusal(request: "\(method) \(path)", answer: answer)
    }
    return answer.json
  }

  /// A GET whose answer, when it is a 2xx, is given to `sink` as it comes; returns at its end.
  func stream(
    _ path: String, sink: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
  ) async throws -> Answer {
    var request = request("GET", path)
    request.timeout = .seconds(3600)
    request.sink = sink
    return try await send(request)
  }

  /// Streams a file to `POST /v1/imports`; the id of the job.
  func upload(
    kind: String, triggers: Bool = false, _ file: UploadFile
  ) async throws -> String {
    var request = request("POST", "/v1/imports?kind=\(kind)\(triggers ? "&triggers=true" : "")")
    request.headers.append(("Content-Type", file.format.contentType))
    if file.isGzip { request.headers.append(("Content-Encoding", "gzip")) }
    request.source = file.source
    request.timeout = .seconds(3600)
    let upload = request
    let answer: Answer
    do {
      answer = try await withTaskCancellationHandler {
        try await send(upload)
      } onCancel: {
        file.giveUp()
      }
    } catch {
      if let fault = file.fault { throw fault }
      throw error
    }
    guard answer.status == 202, let job = answer.json["job"]?.stringValue else {
      throw Refusal(request: "POST /v1/imports", answer: answer)
    }
    return job
  }

  private func request(_ method: String, _ path: String) -> ClientRequest {
    ClientRequest(
      method: method, url: url + path, headers: [("Authorization", "Bearer \(key)")],
      maxResponseBytes: 256 << 20)
  }

  private func send(_ request: ClientRequest) async throws -> Answer {
    switch await http.send(request) {
    case .response(let response): return Answer(status: response.status, body: response.body)
    case .notSent(let reason), .forbidden(let reason):
      try Task.checkCancellation()
      throw Unreachable(url: url, reason: reason, isUnsent: true)
    case .unknown(let reason):
      try Task.checkCancellation()
      throw Unreachable(url: url, reason: reason, isUnsent: false)
    }
  }
}
