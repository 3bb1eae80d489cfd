import Testing

@testable import HTTP

@Suite("Router")
struct RouterTests {
  private static func route(_ method: HTTPMethod, _ pattern: String) -> Route {
    Route(method, pattern, handler: .immediate { _ in .text(200, "") })
  }

  private let router: Router

  init() throws {
    router = try Router([
      Self.route(.get, "/"),
      Self.route(.get, "/v1/users/{id}"),
      Self.route(.delete, "/v1/users/{id}"),
      Self.route(.post, "/v1/users/batch"),
      Self.route(.put, "/v1/users/{id}/tags/{key}"),
      Self.route(.get, "/v1/users/{user}/events"),
      Self.route(.get, "/v1/users/me/tags"),
      Self.route(.options, "/own"),
    ])
  }

  /// The pattern and the parameters, sorted, of what is found.
  private func found(_ method: HTTPMethod, _ path: String) -> String? {
    guard case .found(let route, let parameters) = router.match(method, path) else { return nil }
    let pairs = parameters.map { "\($0.key)=\($0.value)" }.sorted()
    return ([route.pattern] + pairs).joined(separator: " ")
  }

  @Test(
    "a path finds its route and parameters",
    arguments: [
      ("/", "/"),
      ("/v1/users/7", "/v1/users/{id} id=7"),
      ("/v1/users/phone:%2B86138", "/v1/users/{id} id=phone:+86138"),
      ("/v1/users/a%2Fb", "/v1/users/{id} id=a/b"),
      ("/v1/users/%E4%B8%AD", "/v1/users/{id} id=中"),
      ("/v1/%75sers/7", "/v1/users/{id} id=7"),
      ("/v1/users/batch", "/v1/users/{id} id=batch"),
      ("/v1/users/me/events", "/v1/users/{user}/events user=me"),
      ("/v1/users/me/tags", "/v1/users/me/tags"),
    ])
  func finds(_ path: String, _ expected: String) {
    #expect(found(.get, path) == expected)
  }

  @Test(
    "other paths are not found",
    arguments: [
      "", "v1", "//", "/v1", "/v1/", "/v1/users", "/v1/users/", "/v1/users/7/", "/v1//users/7",
      "/V1/users/7", "/v1/users/7/tags", "/v1/users/../users/7", "/v1/users/%zz",
    ])
  func misses(_ path: String) {
    guard case .notFound = router.match(.get, path) else {
      Issue.record("found \(path)")
      return
    }
  }

  @Test("a parameter keeps its own name on each method's route")
  func names() {
    #expect(found(.put, "/v1/users/7/tags/vip") == "/v1/users/{id}/tags/{key} id=7 key=vip")
  }

  @Test("a known path with another method lists what it takes")
  func allow() {
    guard case .methodNotAllowed(let allow, let pattern) = router.match(.put, "/v1/users/7") else {
      Issue.record("no 405")
      return
    }
    #expect(allow == [.get, .head, .delete, .options])
    #expect(pattern == "/v1/users/{id}")
  }

  @Test("the most specific pattern says what a path takes")
  func allowOfSeveral() {
    guard case .methodNotAllowed(let allow, _) = router.match(.put, "/v1/users/batch") else {
      Issue.record("no 405")
      return
    }
    #expect(allow == [.post, .options])
  }

  @Test("HEAD goes to GET, OPTIONS is answered unless a route does")
  func headAndOptions() {
    #expect(found(.head, "/v1/users/7") == "/v1/users/{id} id=7")
    #expect(found(.options, "/own") == "/own")
    guard case .options(let allow, _) = router.match(.options, "/v1/users/batch") else {
      Issue.record("no answer to OPTIONS")
      return
    }
    #expect(allow.contains(.post))
  }

  @Test("a trailing slash makes another path, which may have a route of its own")
  func trailingSlash() throws {
    #expect(found(.get, "/v1/users/7/") == nil)
    let router = try Router([Self.route(.get, "/a"), Self.route(.get, "/a/")])
    for path in ["/a", "/a/"] {
      guard case .found(let route, _) = router.match(.get, path) else {
        Issue.record("\(path) is not found")
        continue
      }
      #expect(route.pattern == path)
    }
    guard case .notFound = router.match(.get, "/a//") else {
      Issue.record("/a// is found")
      return
    }
  }

  @Test("equal method and paths conflict, whatever the parameters are called")
  func conflicts() {
    #expect(throws: RouterError.conflict("/a/{x}", "/a/{y}")) {
      try Router([Self.route(.get, "/a/{x}"), Self.route(.get, "/a/{y}")])
    }
    #expect(throws: Never.self) {
      try Router([Self.route(.get, "/a/{x}"), Self.route(.put, "/a/{y}")])
    }
  }

  @Test(
    "malformed patterns are refused",
    arguments: ["", "a", "/a//", "//", "/{}", "/{a}{b}", "/x{a}", "/{a", "/{a}/{a}"])
  func malformed(_ pattern: String) {
    #expect(throws: RouterError.badPattern(pattern)) {
      try Router([Self.route(.get, pattern)])
    }
  }
}
