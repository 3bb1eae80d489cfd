import Foundation
import JSON

public enum ConsentState: String, Sendable, CaseIterable {
  case granted, denied, unknown
}

/// Where a push message can go. A dead token is kept: it must not come back to life by itself.
public struct Device: Sendable, Equatable {
  public enum State: String, Sendable, CaseIterable {
    case active, dead
  }

  /// The adapter family the token belongs to: `fcm`, `apns`, `jpush`, …, `http`.
  public let provider: String
  public let token: String
  public let platform: String
  public let state: State

  public init(provider: String, token: String, platform: String, state: State = .active) {
    self.provider = provider
    self.token = token
    self.platform = platform
    self.state = state
  }
}

/// A person as Herald knows them. Tags that have expired are left out.
public struct User: Sendable {
  public let id: UUID
  public let identities: [Identity]
  /// A JSON object.
  public let attributes: JSONObject
  public let tags: JSONObject
  /// Of the channels as a whole.
  public let consents: [Channel: ConsentState]
  /// Of single subscription groups.
  public var groupConsents: [Subscription: ConsentState] = [:]
  public let devices: [Device]
  public let timeZone: String?
  public let locale: String?
  public let suppressed: Set<SuppressedAddress>
  public let createdAt: Date
  public let updatedAt: Date
  public let version: Int

  /// The channels a marketing message of no group could take to them now.
  public func reachable(_ unknown: UnknownConsent) -> [Channel] {
    Channel.allCases.filter { channel in
      let verdict = ReachRule.verdict(
        channel: channel, class: .marketing, consents: consents, addresses: identities,
        devices: devices, suppressed: suppressed, unknown: unknown)
      if case .reachable = verdict { return true }
      return false
    }
  }

  /// Where they are taken to be: their own zone, else that of their first phone number's region, else
  /// `project`'s. `HomeZone` in SQL.
  func zone(project: String) -> String {
    if let timeZone, TimeZoneName.isValid(timeZone) { return timeZone }
    let phone = identities.first { $0.kind.key == "phone" }?.value
    return phone.flatMap(PhoneRegion.zone) ?? project
  }

  /// What templates read as `user.…`: the attributes, and the reserved id and external_id.
  public var renderJSON: JSONObject {
    var json = attributes
    json["id"] = .id(id)
    json["external_id"] = identities.first { $0.kind == .externalID }.map { .string($0.value) }
    return json
  }
}
