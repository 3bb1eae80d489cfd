import Foundation
import JSON

/// Another system that events come from.
public struct Source: Sendable, Equatable {
  let key: String
  let name: String?
  /// Whether its events may fire triggers; false for a backfill of history.
  let isLive: Bool
  /// Nil when it takes no webhooks.
  let signature: SourceSignature?
  let mapping: SourceMapping
  let pull: SourcePull?
  /// The document it was read from, `***` in the place of each secret.
  let config: JSONObject

  /// Whose message ids its events carry.
  var eventSource: String { "source:\(key)" }
}

/// What a PUT asks for: the source and the secrets found in it.
struct SourceDraft: Sendable {
  let source: Source
  let secrets: SecretFields
}

struct StoredSource: Sendable {
  let source: Source
  /// Opens with the `SecretsKey` only.
  let sealedSecrets: [UInt8]?
  /// Moves with every change, of secrets too.
  let version: Int
  let createdAt: Date
  let updatedAt: Date

  var key: String { source.key }
}

/// Where a source's pull stands.
struct PullState: Sendable {
  let nextAt: Date
  let isRunning: Bool
  let cursor: JSONValue?
  let progress: PullProgress?
  let lastRun: JSONValue?
  let failures: Int
  let error: String?
  let errorAt: Date?
}

/// A source with what a GET shows besides.
struct SourceView: Sendable {
  let stored: StoredSource
  let pull: PullState?
  let deadLetters: Int
}
