import Logging
import Testing

@testable import HTTP

/// A client that may reach the stand-ins, and short ways to say what came of a request.
func makeClient(_ change: (inout ClientConfiguration) -> Void = { _ in }) -> HTTPClient {
  // Beside hundreds of other tests half a minute may pass between two requests of one.
  var configuration = ClientConfiguration(allowPrivateAddresses: true, idleTimeout: .seconds(600))
  change(&configuration)
  return HTTPClient(
    configuration, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
}

extension ClientOutcome {
  var response: ClientResponse? { if case .response(let response) = self { response } else { nil } }
  /// Also of what may not be sent.
  var notSent: String? {
    if case .notSent(let reason) = self { reason } else { forbidden }
  }
  var forbidden: String? { if case .forbidden(let reason) = self { reason } else { nil } }
  var unknown: String? { if case .unknown(let reason) = self { reason } else { nil } }
}
