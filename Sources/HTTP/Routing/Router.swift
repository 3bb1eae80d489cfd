/// A route table, compiled to a tree of path segments.
///
/// Literals go before parameters. A node without the wanted method lets a later one answer, so
/// that `POST /users/batch` does not hide `GET /users/{id}`.
public struct Router: Sendable {
  public enum Match: Sendable {
    case found(Route, parameters: [String: String])
    /// OPTIONS on a path without a handler of its own.
    case options(allow: [HTTPMethod], pattern: String)
    case methodNotAllowed(allow: [HTTPMethod], pattern: String)
    case notFound
  }

  private struct Endpoint: Sendable {
    let route: Route
    let names: [String]
  }

  private struct Node: Sendable {
    var literals: [String: Int] = [:]
    var parameter: Int?
    var endpoints: [HTTPMethod: Endpoint] = [:]
  }

  /// What a walk over the tree has come by without finding its method.
  private struct Candidates {
    var allow: Set<HTTPMethod> = []
    var pattern = ""
  }

  public let routes: [Route]
  private var nodes: [Node] = [Node()]

  /// Throws `RouterError` for a malformed pattern and for two routes with equal method and paths.
  public init(_ routes: [Route]) throws {
    self.routes = routes
    for route in routes { try insert(route) }
  }

  private mutating func insert(_ route: Route) throws(RouterError) {
    let pattern = try PathPattern(route.pattern)
    var index = 0
    var names: [String] = []
    for segment in pattern.segments {
      switch segment {
      case .literal(let text):
        index = nodes[index].literals[text] ?? add { $0.nodes[index].literals[text] = $1 }
      case .parameter(let name):
        names.append(name)
        index = nodes[index].parameter ?? add { $0.nodes[index].parameter = $1 }
      }
    }
    if let other = nodes[index].endpoints[route.method] {
      throw .conflict(other.route.pattern, route.pattern)
    }
    nodes[index].endpoints[route.method] = Endpoint(route: route, names: names)
  }

  private mutating func add(_ link: (inout Router, Int) -> Void) -> Int {
    nodes.append(Node())
    link(&self, nodes.count - 1)
    return nodes.count - 1
  }

  /// `path` is the raw path of a request target; a path whose escapes are broken is not found.
  public func match(_ method: HTTPMethod, _ path: String) -> Match {
    guard let segments = Self.segments(path) else { return .notFound }
    var candidates = Candidates()
    var values: [String] = []
    if let found = walk(0, segments, 0, method, &values, &candidates) {
      var parameters: [String: String] = [:]
      for (name, value) in zip(found.names, values) { parameters[name] = value }
      return .found(found.route, parameters: parameters)
    }
    if candidates.allow.isEmpty { return .notFound }
    var allow = candidates.allow
    if allow.contains(.get) { allow.insert(.head) }
    allow.insert(.options)
    let ordered = HTTPMethod.allCases.filter(allow.contains)
    return method == .options
      ? .options(allow: ordered, pattern: candidates.pattern)
      : .methodNotAllowed(allow: ordered, pattern: candidates.pattern)
  }

  private func walk(
    _ index: Int, _ segments: [String], _ depth: Int, _ method: HTTPMethod,
    _ values: inout [String], _ candidates: inout Candidates
  ) -> Endpoint? {
    let node = nodes[index]
    guard depth < segments.count else {
      if let endpoint = node.endpoints[method] { return endpoint }
      if method == .head, let endpoint = node.endpoints[.get] { return endpoint }
      // The most specific pattern speaks for the path, as it does in a description of the routes.
      if candidates.allow.isEmpty, let any = node.endpoints.values.first {
        candidates.pattern = any.route.pattern
        candidates.allow.formUnion(node.endpoints.keys)
      }
      return nil
    }
    if let next = node.literals[segments[depth]],
      let found = walk(next, segments, depth + 1, method, &values, &candidates)
    {
      return found
    }
    guard let next = node.parameter, !segments[depth].isEmpty else { return nil }
    values.append(segments[depth])
    if let found = walk(next, segments, depth + 1, method, &values, &candidates) { return found }
    values.removeLast()
    return nil
  }

  /// The decoded segments; nil when the path is no absolute path or an escape is broken.
  private static func segments(_ path: String) -> [String]? {
    let bytes = path.utf8
    guard bytes.first == UInt8(ascii: "/") else { return nil }
    if bytes.count == 1 { return [] }
    var segments: [String] = []
    for part in bytes.dropFirst().split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    {
      if part.contains(UInt8(ascii: "%")) {
        guard let text = PercentCoding.decode(Array(part).span) else { return nil }
        segments.append(text)
      } else {
        segments.append(String(Substring(part)))
      }
    }
    return segments
  }
}
