/// A request's line and fields after every check that needs no route.
struct RequestHead: Sendable {
  enum Framing: Sendable, Equatable {
    case none
    case length(Int)
    case chunked
  }

  var method: HTTPMethod
  /// Raw path; `*` for the asterisk form.
  var path: String
  var query: [(name: String, value: String)]
  var headers: HTTPHeaders
  var framing: Framing
  var isHTTP10: Bool
  var keepAlive: Bool
  var expectation: Expectation

  enum Expectation: Sendable, Equatable {
    case none
    case proceed
    /// An expectation that cannot be met: 417.
    case unknown
  }

  var hasBody: Bool {
    switch framing {
    case .none: false
    case .length(let length): length > 0
    case .chunked: true
    }
  }
}
