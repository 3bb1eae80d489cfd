import JSON

/// A problem report of RFC 9457, with a code for programs and the places at fault.
public struct Problem: Sendable {
  /// One of several places at fault.
  public struct Place: Sendable, Equatable {
    /// JSON pointer (RFC 6901) into the body; nil when no place of the body is meant.
    public var pointer: String?
    public var code: String?
    public var detail: String

    public init(pointer: String? = nil, code: String? = nil, detail: String) {
      self.pointer = pointer
      self.code = code
      self.detail = detail
    }
  }

  public var type: String
  public var title: String
  public var status: Int
  /// A sentence that tells a person what to do; rendered as `message` too.
  public var detail: String
  public var code: String
  public var pointer: String?
  public var errors: [Place]
  public var requestID: String?
  /// Fields for the answer beside Content-Type, such as Retry-After.
  public var headers: HTTPHeaders

  /// `title` defaults to the status's reason phrase.
  public init(
    status: Int, code: String, detail: String, pointer: String? = nil, errors: [Place] = [],
    requestID: String? = nil, type: String = "about:blank", title: String? = nil,
    headers: HTTPHeaders = HTTPHeaders()
  ) {
    self.type = type
    self.title = title ?? ReasonPhrase.of(status)
    self.status = status
    self.detail = detail
    self.code = code
    self.pointer = pointer
    self.errors = errors
    self.requestID = requestID
    self.headers = headers
  }

  /// The report of a fault, with Allow on a 405 and Retry-After on a 503.
  public init(_ fault: HTTPFault, requestID: String?) {
    self.init(
      status: fault.status, code: fault.code, detail: fault.detail, requestID: requestID)
    if fault.status == 405 {
      headers.set("Allow", fault.allow.map(\.rawValue).joined(separator: ", "))
    }
    if fault.status == 503 { headers.set("Retry-After", "1") }
  }

  public var json: JSONValue {
    var object: JSONObject = [
      "type": .string(type), "title": .string(title), "status": .int(status),
      "detail": .string(detail), "code": .string(code), "message": .string(detail),
    ]
    if let pointer { object["pointer"] = .string(pointer) }
    if !errors.isEmpty { object["errors"] = .array(errors.map(\.json)) }
    if let requestID { object["request_id"] = .string(requestID) }
    return .object(object)
  }

  public var response: Response {
    var fields = headers
    fields.set("Content-Type", "application/problem+json")
    return Response(status: status, headers: fields, body: .bytes(json.bytes))
  }
}

extension Problem.Place {
  var json: JSONValue {
    var object = JSONObject()
    if let pointer { object["pointer"] = .string(pointer) }
    if let code { object["code"] = .string(code) }
    object["detail"] = .string(detail)
    return .object(object)
  }
}
