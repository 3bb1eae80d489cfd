import Foundation
import HTTP
import Herald

extension AdapterRegistry {
  /// Every adapter of this build. `client` carries all that speak HTTP and is shut down by its owner;
  /// `allowPrivate` is HERALD_ALLOW_PRIVATE_ENDPOINTS, the same as the client's.
  public static func standard(
    client: HTTPClient, allowPrivate: Bool, dataDirectory: URL
  ) -> AdapterRegistry {
    AdapterRegistry([
      HTTPChannel.kind(client: client, allowPrivate: allowPrivate),
      FileChannel.kind(dataDirectory: dataDirectory),
    ])
  }
}
