import Foundation
import JSON

/// One configured adapter account of a channel.
public struct Sender: Sendable, Equatable {
  public enum State: String, Sendable, CaseIterable {
    case active, paused
  }

  public let key: String
  public let channel: Channel
  /// The name of an `AdapterKind`.
  public let adapter: String
  /// The adapter's settings, with `***` in the place of each secret.
  public let config: JSONObject
  /// Share of the channel's load among its senders; 0 takes only what others cannot.
  public let weight: Int
  /// Messages a second over all processes; nil is unlimited.
  public let pacePerSecond: Double?
  /// Messages a day over all processes, by the project's calendar; nil is unlimited.
  public var quotaPerDay: Int?
  /// Messages under way at a time in one process.
  public let concurrency: Int
  /// The limit of one attempt: 1 to 30 s.
  public let timeout: TimeSpan

  public static let defaultWeight = 10
  public static let defaultConcurrency = 32
  public static let defaultTimeoutSeconds = 10

  /// What an approval pins: where messages go and how, not how fast or with which credentials.
  public var approvedContent: JSONValue {
    let config = config.filter { $0.value.stringValue != Senders.mask }
    return [
      "channel": .string(channel.rawValue), "adapter": .string(adapter),
      "config": .object(JSONObject(config)),
    ]
  }
}

/// A sender with its sealed secrets and its place in time.
public struct StoredSender: Sendable {
  public let sender: Sender
  /// Opens with the `SecretsKey` only.
  public let sealedSecrets: [UInt8]?
  public let state: Sender.State
  public let stateReason: String?
  /// Moves with every change, of secrets and of the state too.
  public let version: Int
  public let createdAt: Date
  public let updatedAt: Date

  public var key: String { sender.key }
  public var manifestJSON: JSONValue { sender.approvedContent }
}
