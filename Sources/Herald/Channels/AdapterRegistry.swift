import JSON

/// What an adapter is made of: a sender's settings with its secrets in their places again.
public struct SenderConfiguration: Sendable {
  /// The sender's key.
  public let key: String
  public let channel: Channel
  public let config: JSONValue
  /// The limit of one attempt.
  public let timeout: Duration

  public init(key: String, channel: Channel, config: JSONValue, timeout: Duration) {
    self.key = key
    self.channel = channel
    self.config = config
    self.timeout = timeout
  }
}

/// A protocol Herald speaks, by the name senders give as `adapter`.
public struct AdapterKind: Sendable {
  public let name: String
  public let channels: Set<Channel>
  /// Whose device tokens it can send to, as `provider` of a device; nil for anybody's.
  public let tokenProviders: Set<String>?
  /// JSON Schema of a sender's `config`.
  public let configSchema: JSONValue
  /// Notes everything wrong with a `config`, which lies at the pointer.
  public let validate: @Sendable (JSONValue, JSONPointer, Faults) -> Void
  /// Top-level members of `config` that are stored encrypted and never answered.
  public let secretFields: [String]
  /// Throws HeraldError when the settings, though valid, cannot be used.
  public let make: @Sendable (SenderConfiguration) throws -> any ChannelAdapter

  public init(
    name: String, channels: Set<Channel>, tokenProviders: Set<String>? = nil,
    configSchema: JSONValue, secretFields: [String],
    validate: @escaping @Sendable (JSONValue, JSONPointer, Faults) -> Void,
    make: @escaping @Sendable (SenderConfiguration) throws -> any ChannelAdapter
  ) {
    self.name = name
    self.channels = channels
    self.tokenProviders = tokenProviders
    self.configSchema = configSchema
    self.secretFields = secretFields
    self.validate = validate
    self.make = make
  }
}

/// The adapters this build knows.
public struct AdapterRegistry: Sendable {
  /// In the order given, for lists and messages.
  public let kinds: [AdapterKind]

  /// Of two kinds with one name the first counts.
  public init(_ kinds: [AdapterKind]) { self.kinds = kinds }

  public subscript(name: String) -> AdapterKind? { kinds.first { $0.name == name } }
}
