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

  public init() {}
}
