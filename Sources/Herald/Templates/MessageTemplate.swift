import Foundation
import JSON

/// The content of a channel's messages with places for values.
public struct MessageTemplate: Sendable, Equatable {
  /// What becomes of a message when a value it shows is absent and has no default of its own.
  public enum OnMissing: String, Sendable, CaseIterable {
    /// The place stays empty.
    case `default`
    /// The message is skipped; the chain goes on to its next link.
    case skip
    /// The same, for values that must never be absent: it says that something is wrong.
    case fail
  }

  public let key: String
  public let channel: Channel
  /// Of the channel's `ContentShape`; its texts are templates.
  public let content: JSONValue
  public let onMissing: OnMissing

  /// As it is written.
  var definition: JSONObject {
    [
      "channel": .string(channel.rawValue), "content": content,
      "on_missing": .string(onMissing.rawValue),
    ]
  }
}

/// A template with its place in time.
public struct StoredTemplate: Sendable {
  public let template: MessageTemplate
  public let version: Int
  public let createdAt: Date
  public let updatedAt: Date

  /// What an approval pins and `PreparedTemplate(manifest:)` reads.
  public var manifestJSON: JSONValue {
    .object(template.definition)
  }
}
