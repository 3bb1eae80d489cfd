public struct PoolConfiguration: Sendable {
  /// A `postgresql://` URI or a `key=value` connection string.
  public var url: String
  /// Connections at most; each is made when first needed and has a thread of its own.
  public var size: Int
  public var connectTimeout: Duration
  /// For each statement, by PostgreSQL's clock; half a second later the connection is given up.
  public var statementTimeout: Duration
  /// How long a caller waits for a free connection.
  public var acquireTimeout: Duration
  public var applicationName: String
  /// Run on each new connection before anything else.
  public var onConnect: [SQL]

  public init(
    url: String, size: Int = 8, connectTimeout: Duration = .seconds(5),
    statementTimeout: Duration = .seconds(15), acquireTimeout: Duration = .seconds(5),
    applicationName: String = "herald", onConnect: [SQL] = []
  ) {
    self.url = url
    self.size = max(1, size)
    self.connectTimeout = connectTimeout.boundedForClocks
    self.statementTimeout = statementTimeout.boundedForClocks
    self.acquireTimeout = acquireTimeout.boundedForClocks
    self.applicationName = applicationName
    self.onConnect = onConnect
  }
}

extension Duration {
  /// Between nothing and about three years, so that adding it to an instant cannot overflow.
  var boundedForClocks: Duration { min(max(self, .zero), .seconds(100_000_000)) }
}

public struct PoolStatistics: Sendable, Equatable {
  /// Connections at most.
  public var size: Int
  /// Connections that are open now.
  public var open: Int
  /// Threads that have nothing to do, connected or not.
  public var idle: Int
  /// Callers waiting for a connection.
  public var waiting: Int
  /// Callers that gave up waiting, since the start.
  public var acquireTimeouts: Int
  /// Connections made in place of a lost one, since the start.
  public var reconnects: Int
}

public enum Isolation: String, Sendable {
  case readCommitted = "READ COMMITTED"
  case repeatableRead = "REPEATABLE READ"
  case serializable = "SERIALIZABLE"
}
