import Foundation
import HTTP
import Herald
import JSON
import Logging

@testable import HeraldChannels

enum Fixture {
  static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
  static let otherSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
  static let logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
  static let client = HTTPClient(
    ClientConfiguration(allowPrivateAddresses: true), logger: logger)

  static func message(
    _ number: Int = 1, channel: Channel = .sms, key: String? = nil
  ) -> OutboundMessage {
    let id = UUID()
    return OutboundMessage(
      deliveryID: id, idempotencyKey: key ?? "\(id.uuidString.lowercased())-0", channel: channel,
      address: Address(kind: .phone, value: "+8613800138000"),
      content: ["text": .string("Hallo \(number), 你好 👋\n\"x\"")], userID: UUID(),
      externalID: "u-\(number)", plan: "winter", step: "nudge")
  }

  static func channel(
    _ url: String, timeout: Duration = .seconds(5), idempotent: Bool = false,
    secrets: [String] = [secret], now: @escaping @Sendable () -> Date = { Date() }
  ) -> HTTPChannel {
    HTTPChannel(
      client: client, url: url, secrets: secrets, resendsSafely: idempotent, timeout: timeout,
      group: "test", now: now)
  }

  /// A directory of the test's own, not made yet; goes when the process ends.
  static func directory() -> URL {
    directories.appendingPathComponent(UUID().uuidString, isDirectory: true)
  }

  private static let directories: URL = {
    atexit { try? FileManager.default.removeItem(at: Fixture.directories) }
    return FileManager.default.temporaryDirectory
      .appendingPathComponent("herald-channels-\(getpid())", isDirectory: true)
  }()

  static func lines(_ url: URL) throws -> [JSONValue] {
    try Data(contentsOf: url).split(separator: 0x0A).map { try JSONScanner.parse(Array($0)) }
  }
}
