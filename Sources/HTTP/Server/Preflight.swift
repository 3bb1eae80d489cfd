/// Answers to OPTIONS: what a path takes, and whether other origins may ask.
enum Preflight {
  static func options(_ allow: [HTTPMethod]) -> Response {
    Response(status: 204, headers: ["Allow": list(allow)])
  }

  /// The answer to a CORS preflight, or nil when this is none.
  static func answer(_ head: RequestHead, _ router: Router) -> Response? {
    guard head.method == .options, head.headers.contains("Origin"),
      head.headers.contains("Access-Control-Request-Method"),
      case .options(let allow, _) = router.match(.options, head.path)
    else { return nil }
    return Response(
      status: 204,
      headers: [
        "Allow": list(allow),
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": list(allow),
        // The wildcard does not cover Authorization, so what is asked for is granted by name.
        "Access-Control-Allow-Headers": head.headers["Access-Control-Request-Headers"] ?? "*",
        "Access-Control-Max-Age": "600",
      ])
  }

  private static func list(_ methods: [HTTPMethod]) -> String {
    methods.map(\.rawValue).joined(separator: ", ")
  }
}
