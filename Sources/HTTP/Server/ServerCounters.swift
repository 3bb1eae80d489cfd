import Synchronization

/// What a server has done since it started.
public struct ServerStatistics: Sendable, Equatable {
  public var connectionsOpen = 0
  public var connectionsAccepted = 0
  /// Turned away by a connection limit.
  public var connectionsRefused = 0
  public var requests = 0
  /// Refusals by the server itself.
  public var faults = 0
  public var bytesIn = 0
  public var bytesOut = 0
}

/// The counters behind `ServerStatistics`, written by all queues.
final class ServerCounters: Sendable {
  let accepted = Atomic(0)
  let refused = Atomic(0)
  let requests = Atomic(0)
  let faults = Atomic(0)
  let bytesIn = Atomic(0)
  let bytesOut = Atomic(0)
  let bufferedBytes = Atomic(0)
}
