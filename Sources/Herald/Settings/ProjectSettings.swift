import Foundation
import JSON

/// What holds for the whole installation.
public struct ProjectSettings: Sendable, Equatable {
  /// Where users without a zone of their own are taken to be.
  public var timeZone = "Asia/Shanghai"
  /// The region of phone numbers written without a country code.
  public var region = "CN"
  /// Channels on which marketing is allowed to people whose consent is unknown.
  public var unknownConsent = UnknownConsent.standard
  /// Of marketing plans that name none of their own.
  public var quietHours: QuietHours?
  /// Of all marketing plans that do not ignore them.
  public var holidays: [Holiday] = []
  public var retention = Retention()
  public var orders = OrderRule()
  /// Share of all people whom no marketing plan lets in, for comparison.
  public var globalHoldout = 0.0
  public var approvals = ApprovalSettings()
  public var content = ContentRules()
  public var autoPause = PlanGuard()

  public init() {}
}

/// The settings in force, and which change of them that is; 0 before the first.
public struct StoredSettings: Sendable, Equatable {
  public let settings: ProjectSettings
  public let version: Int
  public let updatedAt: Date?
}

/// A change of the settings that somebody else must confirm.
public struct SettingsProposal: Sendable {
  public enum State: String, Sendable, CaseIterable {
    case pending, confirmed, superseded
  }

  public let id: UUID
  public let settings: ProjectSettings
  /// The version it would replace; confirmed on that one only.
  public let baseVersion: Int
  public let state: State
  public let proposedBy: String
  public let proposedAt: Date
  public let decidedBy: String?
  public let decidedAt: Date?
}
