import Foundation
import HTTP
import JSON

/// A route with everything that is said of it: who may call it, what it takes and answers. The
/// router and the OpenAPI document are both made from a list of these, so they cannot differ.
public struct Endpoint: Sendable {
  public typealias Handler = @Sendable (Call) async throws -> Response

  public enum Access: Sendable, Equatable {
    /// Anybody, without a key.
    case open
    /// A key with one of these roles.
    case roles(Set<Role>)

    public static let anyKey = Access.roles(Set(Role.allCases))
    /// Everybody but `ingest`.
    public static let readers = Access.roles([.admin, .operator, .approver, .analyst])
    public static let writers = Access.roles([.admin, .operator])
    public static let admins = Access.roles([.admin])
  }

  public let method: HTTPMethod
  /// `/v1/tags/{key}`
  public let pattern: String
  public let access: Access
  public let operation: Operation
  public let body: Route.BodyPolicy
  public let handler: Handler
  /// Further patterns that answer the same; the document names the first alone.
  public var aliases: [String] = []
  /// Whether scripts of other origins may call it.
  public var allowsAnyOrigin = false
  /// Finds the key in the body, for clients that can put it nowhere else.
  public var keyInBody: (@Sendable ([UInt8]) -> String?)?

  /// A PATCH may increment.
  var takesIdempotencyKey: Bool { method == .post || method == .patch }
  /// Every pattern it answers.
  var patterns: [String] { [pattern] + aliases }

  public init(
    _ method: HTTPMethod, _ pattern: String, _ access: Access, _ operation: Operation,
    body: Route.BodyPolicy? = nil, handler: @escaping Handler
  ) {
    self.method = method
    self.pattern = pattern
    self.access = access
    self.operation = operation
    self.body = body ?? (operation.request == nil ? .none : .buffered(limit: 1 << 20))
    self.handler = handler
  }
}

/// What the OpenAPI document says of an endpoint.
public struct Operation: Sendable {
  public struct Parameter: Sendable {
    public let name: String
    public let schema: JSONValue
    public let description: String
    public let required: Bool

    public init(
      _ name: String, _ schema: JSONValue, _ description: String, required: Bool = false
    ) {
      self.name = name
      self.schema = schema
      self.description = description
      self.required = required
    }
  }

  /// `putTag`
  public let id: String
  public let summary: String
  public let tag: String
  /// Schemas of path parameters whose name does not say it already.
  public let path: [String: JSONValue]
  public let query: [Parameter]
  /// Of a JSON body; nil for none.
  public let request: JSONValue?
  /// Media types of the body; others are a 415. `*/*` takes any.
  public let requestTypes: [String]
  /// False when the body may be left out.
  public let requestRequired: Bool
  /// Status to schema of the JSON body; nil for an answer without one.
  public let responses: [Int: JSONValue?]
  public let responseType: String
  /// Media types, all text, that a 2xx can have instead, by Accept or a parameter.
  public let otherTypes: [String]
  /// What can go wrong beyond the general (400 and 422 of a body, 401, 403).
  public let errors: [ErrorCode]

  /// Whether a body of this `Content-Type` can be taken. None at all says nothing and is taken;
  /// so is `application/merge-patch+json` and its like where JSON is.
  func takes(contentType: String?) -> Bool {
    guard let contentType, !requestTypes.contains("*/*") else { return true }
    let media = contentType.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }.lowercased()
    if requestTypes.contains(media) { return true }
    return requestTypes.contains("application/json") && media.hasPrefix("application/")
      && media.hasSuffix("+json")
  }

  public init(
    _ id: String, _ summary: String, tag: String, path: [String: JSONValue] = [:],
    query: [Parameter] = [], request: JSONValue? = nil,
    requestTypes: [String] = ["application/json"], requestRequired: Bool = true,
    responses: [Int: JSONValue?], responseType: String = "application/json",
    otherTypes: [String] = [], errors: [ErrorCode] = []
  ) {
    self.id = id
    self.summary = summary
    self.tag = tag
    self.path = path
    self.query = query
    self.request = request
    self.requestTypes = requestTypes
    self.requestRequired = requestRequired
    self.responses = responses
    self.responseType = responseType
    self.otherTypes = otherTypes
    self.errors = errors
  }

  /// `limit` and `after` of every list.
  public static let paging = [
    Parameter("limit", Schema.integer(1...200), "Rows a page, 50 when absent."),
    Parameter("after", Schema.string, "The `next` cursor of the page before."),
  ]
}

/// One request on its way through a handler.
public struct Call: Sendable {
  public let request: Request
  public let caller: Caller
  public let now: Date

  /// A path parameter; the router guarantees those of the pattern.
  public func path(_ name: String) -> String { request.parameters[name] ?? "" }

  public var requestID: String { request.requestID }

  /// A client-chosen key in the path of a PUT: `[a-z0-9_-]{1,64}`, else 422.
  public func key(_ name: String) throws -> String {
    let key = path(name)
    guard TextPattern.key.matches(key) else {
      throw HeraldError(
        .invalid, "A key has 1 to 64 characters out of a-z, 0-9, '_' and '-'; choose another.")
    }
    return key
  }

  /// The body as JSON. 400 `malformed_json` with the place when it is none.
  public func json() throws -> JSONValue {
    guard !request.body.isEmpty else {
      throw HeraldError(.malformedJSON, "A JSON body is needed here; send one.", pointer: "")
    }
    do {
      return try JSONScanner.parse(request.body)
    } catch let fault {
      throw HeraldError(
        .malformedJSON, fault.detail, pointer: fault.pointer.description, faults: [fault])
    }
  }

  /// Reads the body as an object; every fault found, unknown fields included, is thrown as one 422.
  public func read<T>(_ body: (ObjectReader, Faults) throws -> T?) throws -> T {
    let value = try json()
    let faults = Faults()
    guard let reader = ObjectReader(value, faults: faults) else {
      throw HeraldError.invalid(faults.all)
    }
    let result = try body(reader, faults)
    reader.finish()
    guard faults.all.isEmpty, let result else { throw HeraldError.invalid(faults.all) }
    return result
  }

  /// The version in `If-Match: "v7"`; nil when absent or `*`.
  public func expectedVersion() throws -> Int? {
    guard let header = request.headers["if-match"], header != "*" else { return nil }
    guard header.hasPrefix("\"v"), header.hasSuffix("\""),
      let version = Int(header.dropFirst(2).dropLast())
    else {
      throw HeraldError(
        .preconditionFailed, "If-Match must be an ETag as given by a GET, like \"v3\".")
    }
    return version
  }
}

extension Response {
  /// 204
  public static var noContent: Response {
    Response(status: 204, headers: HTTPHeaders(), body: .empty)
  }

  /// A resource with its `ETag: "v7"`.
  public static func resource(
    _ value: JSONValue, version: Int, created: Bool = false
  ) -> Response {
    var response = Response.json(created ? 201 : 200, value)
    response.headers["etag"] = "\"v\(version)\""
    return response
  }
}
