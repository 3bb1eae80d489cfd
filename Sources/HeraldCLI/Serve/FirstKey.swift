import Foundation
import Herald

/// The admin key of an empty database: shown once.
enum FirstKey {
  static func install(_ installation: Installation) async throws {
    let configuration = installation.configuration
    let secret = try await installation.application.keys.bootstrap(
      secret: configuration.adminKey, now: Date())
    guard let secret, configuration.adminKey == nil else { return }
    guard isatty(1) != 1 else {
      print(welcome(secret, "\(configuration.listenHost):\(configuration.listenPort)"))
      return
    }
    let path = configuration.dataDirectory + "/first-admin-key"
    guard
      FileManager.default.createFile(
        atPath: path, contents: Data((secret + "\n").utf8),
        attributes: [.posixPermissions: 0o600])
    else {
      throw Installation.Refusal(
        description: "Cannot write the first admin key to \(path); set HERALD_ADMIN_KEY instead.")
    }
    print("The first admin key is in \(path); keep it and delete the file.")
  }

  private static func welcome(_ secret: String, _ address: String) -> String {
    """

    Herald is ready. Your admin key, shown this once:

      \(secret)

    Try it in another terminal:

      export HERALD=http://\(address) KEY=\(secret)
      curl -s $HERALD/v1/users -H "Authorization: Bearer $KEY"

    The README's five-minute tour goes on from here to a finished campaign.

    """
  }
}
