/// One entry of the route table.
public struct Route: Sendable {
  /// What becomes of a request's body.
  public enum BodyPolicy: Sendable, Equatable {
    /// A body is read and dropped up to 64 KiB; a larger one is a 413.
    case none
    /// Collected, inflated and handed over whole; `limit` bytes hold before and after inflation.
    case buffered(limit: Int)
    /// Handed over while it arrives; `limit` bytes hold before and after inflation.
    case streamed(limit: Int)
  }

  public enum Handler: Sendable {
    /// Runs on the connection's queue and must not block: other connections wait for it. With a
    /// body that is compressed or over 64 KiB it runs off the queue.
    case immediate(@Sendable (Request) -> Response)
    /// Runs in a task of its own. The task is not cancelled when the client goes away, only when
    /// a shutdown's grace has passed.
    case async(@Sendable (Request) async -> Response)
  }

  public var method: HTTPMethod
  /// `/v1/users/{id}/tags/{key}`: a segment is a literal or one parameter, never both.
  public var pattern: String
  public var body: BodyPolicy
  public var handler: Handler

  public init(
    _ method: HTTPMethod, _ pattern: String, body: BodyPolicy = .none, handler: Handler
  ) {
    self.method = method
    self.pattern = pattern
    self.body = body
    self.handler = handler
  }
}
