/// The methods this server knows. Others are answered with 501.
public enum HTTPMethod: String, Sendable, Hashable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case patch = "PATCH"
  case delete = "DELETE"
  case options = "OPTIONS"
  // Known so that a path answers 405 to them, as RFC 9110 section 15.5.6 has it; no route may have
  // one.
  case trace = "TRACE"
  case connect = "CONNECT"
  case query = "QUERY"

  /// Those a route may have.
  public static let allCases: [HTTPMethod] = [.get, .head, .post, .put, .patch, .delete, .options]
}
