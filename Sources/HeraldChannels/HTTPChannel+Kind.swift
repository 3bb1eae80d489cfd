import Cryptography
import Foundation
import HTTP
import Herald
import JSON

extension HTTPChannel {
  static func kind(
    client: HTTPClient, allowPrivate: Bool, now: @escaping @Sendable () -> Date = { Date() }
  ) -> AdapterKind {
    AdapterKind(
      name: "http", channels: Set(Channel.allCases), configSchema: configSchema,
      secretFields: ["secret", "previous_secret"],
      validate: { config, pointer, faults in
        validate(config, at: pointer, faults, allowPrivate: allowPrivate)
      },
      make: { configuration in
        guard let url = configuration.config["url"]?.stringValue,
          let secret = configuration.config["secret"]?.stringValue
        else {
          throw HeraldError(
            .invalid, "Sender '\(configuration.key)' lacks its url or secret; save it again.")
        }
        let previous = configuration.config["previous_secret"]?.stringValue
        return HTTPChannel(
          client: client, url: url, secrets: [secret] + (previous.map { [$0] } ?? []),
          resendsSafely: configuration.config["idempotent"]?.boolValue ?? false,
          timeout: configuration.timeout, group: "sender:\(configuration.key)", now: now)
      })
  }

  private static let configSchema = Schema.object([
    "url": Schema.text(1...2048), "secret": Schema.text(1...256),
    // Signs and verifies along with `secret` while receivers change over.
    "previous_secret?": Schema.text(1...256),
    // The receiver de-duplicates by idempotency key, so that an unknown outcome may be sent again.
    "idempotent?": Schema.bool,
  ])

  private static func validate(
    _ config: JSONValue, at pointer: JSONPointer, _ faults: Faults, allowPrivate: Bool
  ) {
    guard let reader = ObjectReader(config, at: pointer, faults: faults) else { return }
    if let url = reader.string("url", required: true, minLength: 1, maxLength: 2048),
      let refusal = HTTPClient.refusal(forURL: url, allowPrivate: allowPrivate)
    {
      reader.add("forbidden_url", "url", "This URL cannot be used: \(refusal).")
    }
    check("secret", required: true, reader)
    check("previous_secret", required: false, reader)
    _ = reader.bool("idempotent")
    reader.finish()
  }

  private static func check(_ field: String, required: Bool, _ reader: ObjectReader) {
    guard let secret = reader.string(field, required: required, minLength: 1, maxLength: 256) else {
      return
    }
    do {
      _ = try StandardWebhooks.sign(id: "check", timestamp: 0, body: [], secret: secret)
    } catch {
      reader.add(
        .invalidFormat, field, "'whsec_' and the base64 of 24 to 64 random bytes is expected here.")
    }
  }
}
