import HTTP
import Logging

/// Runs `body` with a server on a port of its own, off the cooperative threads, so that a
/// blocking client does not starve the handlers; then shuts the server down.
func withServer<T: Sendable>(
  _ routes: [Route], _ configure: (inout ServerConfiguration) -> Void = { _ in },
  _ body: @escaping @Sendable (Int, Server) throws -> T
) async throws -> T {
  var configuration = ServerConfiguration()
  configuration.port = 0
  configuration.queues = 2
  configure(&configuration)
  let server = try Server(
    routes: routes, configuration: configuration, logger: Logger(label: "test"))
  let port = try server.start()
  let result: Result<T, any Error>
  do {
    result = .success(try await blocking { try body(port, server) })
  } catch {
    result = .failure(error)
  }
  await server.shutdown(grace: .milliseconds(200))
  return try result.get()
}

/// Routes that say what they got.
enum SampleRoutes {
  static let all: [Route] = [
    Route(.get, "/", handler: .immediate { _ in .text(200, "root") }),
    Route(.get, "/healthz", handler: .immediate { _ in .text(200, "ok") }),
    Route(.get, "/items/{id}", handler: .immediate { .text(200, $0.parameters["id"] ?? "") }),
    Route(
      .post, "/echo", body: .buffered(limit: 1 << 20),
      handler: .immediate { Response(status: 200, body: .bytes($0.body)) }),
    Route(
      .post, "/later", body: .buffered(limit: 1 << 20),
      handler: .async { request in
        await Task.yield()
        return Response(status: 200, body: .bytes(request.body))
      }),
    Route(
      .post, "/small", body: .buffered(limit: 10),
      handler: .immediate { .text(200, "\($0.body.count)") }),
    Route(.delete, "/items/{id}", handler: .immediate { _ in Response(status: 204) }),
  ]
}
