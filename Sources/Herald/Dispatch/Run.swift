import Foundation

/// One occurrence of a plan.
public struct Run: Sendable {
  public enum State: String, Sendable, CaseIterable {
    /// The audience is frozen, people are being decided on lane by lane.
    case entering
    case running, completed, cancelled
  }

  public let id: UUID
  public let plan: String
  public let planVersion: Int
  public let occurrence: String
  public let state: State
  public let targeted: Int
  /// Bit i: lane i is decided.
  public let enteredLanes: Int
  public let startedAt: Date
  public let finishedAt: Date?
  /// Such as `missed`: nobody could carry it out in time.
  public let reason: String?

  public static let laneCount = 64

  /// Lanes whose people are not decided yet.
  var openLanes: [Int] {
    let mask = UInt64(bitPattern: Int64(enteredLanes))
    return (0..<Self.laneCount).filter { mask & (1 << UInt64($0)) == 0 }
  }
}
