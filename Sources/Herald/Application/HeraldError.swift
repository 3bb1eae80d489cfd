import JSON

/// What a request failed of, as a stable machine word with its HTTP status.
public struct ErrorCode: Sendable, Hashable {
  public let name: String
  public let status: Int

  public init(_ name: String, _ status: Int) {
    self.name = name
    self.status = status
  }

  public static let malformedJSON = ErrorCode("malformed_json", 400)
  public static let badQuery = ErrorCode("invalid_parameter", 400)
  public static let batchTooLarge = ErrorCode("batch_too_large", 400)
  public static let unauthorized = ErrorCode("unauthorized", 401)
  public static let forbidden = ErrorCode("forbidden", 403)
  public static let selfApproval = ErrorCode("self_approval", 403)
  public static let notIndependent = ErrorCode("not_independent", 403)
  public static let notFound = ErrorCode("not_found", 404)
  public static let conflict = ErrorCode("conflict", 409)
  public static let wrongState = ErrorCode("wrong_state", 409)
  public static let hashChanged = ErrorCode("hash_changed", 409)
  public static let identityConflict = ErrorCode("identity_conflict", 409)
  public static let insufficientStock = ErrorCode("insufficient_stock", 409)
  public static let inUse = ErrorCode("in_use", 409)
  public static let idempotencyRunning = ErrorCode("idempotency_running", 409)
  public static let preconditionFailed = ErrorCode("precondition_failed", 412)
  public static let tooLarge = ErrorCode("body_too_large", 413)
  public static let unsupportedMediaType = ErrorCode("unsupported_media_type", 415)
  public static let invalid = ErrorCode("validation_failed", 422)
  public static let idempotencyReused = ErrorCode("idempotency_key_reused", 422)
  public static let throttled = ErrorCode("too_many_requests", 429)
  public static let unexpected = ErrorCode("internal_error", 500)
  public static let unavailable = ErrorCode("unavailable", 503)
}

/// The one error of the product. `Endpoint` turns it into an RFC 9457 problem.
public struct HeraldError: Error, Sendable {
  public let code: ErrorCode
  /// A human sentence that says what to do next.
  public let message: String
  /// JSON pointer to the one place at fault, where there is one.
  public let pointer: String?
  /// Every place at fault, for validation.
  public let faults: [JSONFault]
  /// Seconds, for 429 and 503.
  public let retryAfter: Int?

  public init(
    _ code: ErrorCode, _ message: String, pointer: String? = nil, faults: [JSONFault] = [],
    retryAfter: Int? = nil
  ) {
    self.code = code
    self.message = message
    self.pointer = pointer
    self.faults = faults
    self.retryAfter = retryAfter
  }

  /// "There is no tag 'vip'; GET /v1/tags lists them."
  public static func notFound(_ kind: String, _ key: String) -> HeraldError {
    let list = lists[kind].map { "; GET \($0) lists them" } ?? ""
    return HeraldError(.notFound, "There is no \(kind) '\(key)'\(list).")
  }

  public static func noVersion(_ version: String, of plan: String) -> HeraldError {
    HeraldError(
      .notFound,
      "There is no version '\(version)' of plan '\(plan)'; GET /v1/plans/\(plan) lists them.")
  }

  /// Where things of a kind are listed.
  private static let lists = [
    "approval": "/v1/approvals", "coupon": "/v1/coupons", "plan": "/v1/plans",
    "segment": "/v1/segments", "sender": "/v1/senders", "source": "/v1/sources", "tag": "/v1/tags",
    "template": "/v1/templates", "key": "/v1/keys",
  ]

  /// 422 with all faults; the first one's sentence leads. `faults` must not be empty.
  public static func invalid(_ faults: [JSONFault]) -> HeraldError {
    let first = faults.first
    let more = faults.count > 1 ? " (and \(faults.count - 1) more, see errors)" : ""
    return HeraldError(
      .invalid, (first?.detail ?? "The request is not valid.") + more,
      pointer: first?.pointer.description, faults: faults)
  }

  /// 422 at one place.
  public static func invalid(_ detail: String, at pointer: JSONPointer) -> HeraldError {
    invalid([JSONFault("invalid", at: pointer, detail)])
  }
}
