import Foundation
import HTTP
import JSON
import Logging
import Postgres

/// Carries a request through what all endpoints share: the key, the role, the Idempotency-Key, and
/// errors as problems.
struct EndpointRunner: Sendable {
  let keys: Keys
  let idempotency: Idempotency
  let logger: Logger
  let now: @Sendable () -> Date
  /// How identities in requests are read.
  var form: @Sendable () async -> IdentityForm = { IdentityForm() }

  func route(_ endpoint: Endpoint) -> Route {
    Route(
      endpoint.method, endpoint.pattern, body: endpoint.body,
      handler: .async { request in
        await IdentityForm.$standard.withValue(await form()) {
          await respond(to: request, endpoint)
        }
      })
  }

  /// With the aliases.
  func routes(_ endpoint: Endpoint) -> [Route] {
    endpoint.patterns.map { pattern in
      var route = route(endpoint)
      route.pattern = pattern
      return route
    }
  }

  private func respond(to request: Request, _ endpoint: Endpoint) async -> Response {
    do {
      let caller = try await admit(request, endpoint)
      try Self.check(request, endpoint.operation)
      let call = Call(request: request, caller: caller, now: now())
      guard endpoint.takesIdempotencyKey, let key = request.headers["idempotency-key"] else {
        return try await endpoint.handler(call)
      }
      return try await idempotency.run(key, call) { try await answer($0, endpoint) }
    } catch {
      return problem(error, request)
    }
  }

  /// What holds of every request: a body of a type the operation takes, no parameter that it would
  /// leave unread, and no U+0000, which PostgreSQL has no text for.
  private static func check(_ request: Request, _ operation: Operation) throws {
    if operation.request != nil, !request.body.isEmpty || request.bodyStream != nil,
      !operation.takes(contentType: request.headers["content-type"])
    {
      let types = operation.requestTypes.joined(separator: " or ")
      throw HeraldError(.unsupportedMediaType, "Send the body with Content-Type: \(types).")
    }
    try checkNames(request, operation)
    for parameter in operation.query {
      guard let value = request.query(parameter.name), value.utf8.contains(0) else { continue }
      throw HeraldError(
        .badQuery, "`\(parameter.name)` may not hold U+0000.", pointer: parameter.name)
    }
    // An operation that takes any path by itself refuses the value as it does others.
    guard operation.errors.contains(.notFound),
      request.parameters.values.contains(where: { $0.utf8.contains(0) })
    else { return }
    throw HeraldError(.notFound, "There is nothing at this path; names hold no U+0000.")
  }

  /// A filter with a slip in its name would select everything. An operation without parameters reads
  /// the same with any.
  private static func checkNames(_ request: Request, _ operation: Operation) throws {
    let names = operation.query.map(\.name)
    guard !names.isEmpty, let unknown = request.query.first(where: { !names.contains($0.name) })
    else { return }
    let hint = EditDistance.nearest(to: unknown.name, among: names).map { "Did you mean `\($0)`? " }
    let shown = unknown.name.unicodeScalars.count > 64 ? "This" : "`\(unknown.name)`"
    throw HeraldError(
      .badQuery,
      "\(shown) is no parameter here. \(hint ?? "")There are \(names.joined(separator: ", ")).",
      pointer: unknown.name)
  }

  /// A handler's answer with its errors already rendered, for storing under an Idempotency-Key.
  private func answer(_ call: Call, _ endpoint: Endpoint) async throws -> Response {
    do {
      return try await endpoint.handler(call)
    } catch {
      return problem(error, call.request)
    }
  }

  private func admit(_ request: Request, _ endpoint: Endpoint) async throws -> Caller {
    guard case .roles(let roles) = endpoint.access else {
      return Caller.anonymous(requestID: request.requestID)
    }
    let caller = try await keys.authenticate(
      request, keyInBody: { endpoint.keyInBody?(request.body) }, now: now())
    try caller.mustBe(roles)
    return caller.with(requestID: request.requestID)
  }

  func problem(_ error: any Error, _ request: Request) -> Response {
    if let error = error as? PostgresError, error.isUnavailable {
      logger.warning(
        "the database could not answer",
        metadata: [
          "request_id": "\(request.requestID)", "route": "\(request.pattern)", "error": "\(error)",
        ])
    }
    let error = Self.heraldError(error)
    if error.code == .unexpected {
      logger.error(
        "unexpected error",
        metadata: [
          "request_id": "\(request.requestID)", "route": "\(request.pattern)",
          "error": "\(error.message)",
        ])
    }
    return Self.response(error, requestID: request.requestID)
  }

  /// Maps what stores and libraries throw. PostgreSQL's DETAIL never gets here.
  static func heraldError(_ error: any Error) -> HeraldError {
    if let error = error as? HeraldError { return error }
    if let fault = error as? HTTPFault {
      return HeraldError(ErrorCode(fault.code, fault.status), fault.detail)
    }
    guard let error = error as? PostgresError else {
      return HeraldError(.unexpected, "\(error)")
    }
    if error.isUnavailable {
      return HeraldError(
        .unavailable, "The database cannot answer right now; send the request again.",
        retryAfter: 1)
    }
    return HeraldError(.unexpected, error.message)
  }

  static func response(_ error: HeraldError, requestID: String) -> Response {
    // What went wrong inside is for the log.
    let detail =
      error.code == .unexpected
      ? "Something went wrong inside Herald; the log has it under this request_id." : error.message
    let errors = error.faults.map { fault in
      Problem.Place(
        pointer: fault.pointer.description, code: fault.code.rawValue, detail: fault.detail)
    }
    let problem = Problem(
      status: error.code.status, code: error.code.name, detail: detail, pointer: error.pointer,
      errors: errors, requestID: requestID)
    var response = problem.response
    if let seconds = error.retryAfter { response.headers["retry-after"] = String(seconds) }
    if error.code == .unauthorized { response.headers["www-authenticate"] = "Bearer" }
    return response
  }
}
