import Foundation

/// How a process dispatches. Times are real: leases never follow the business clock.
public struct DispatchSettings: Sendable {
  /// Batches worked on at a time.
  public var workers = 4
  /// Rows of one claim.
  public var batch = 400
  public var leaseSeconds = 30
  /// How long a claimed row that was handed over may be under way, at most.
  public var pollInterval: Duration = .milliseconds(500)

  public init() {}
}
