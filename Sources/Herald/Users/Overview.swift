import Foundation
import JSON

/// A person on one page: who they are, what they bought and did, what reaches them.
struct Overview: Sendable {
  /// Of the events that are orders.
  struct Orders: Sendable {
    let count: Int
    /// Sum of the amounts; orders without one count as 0.
    let total: String
    let average: String?
    let firstAt: Date?
    let lastAt: Date?
    /// Properties of the newest.
    let last: JSONValue?
  }

  struct Activity: Sendable {
    let name: String
    let count: Int
    let firstAt: Date
    let lastAt: Date
  }

  let user: User
  let orders: Orders
  let currency: String
  /// The most frequent first.
  let events: [Activity]
  let tags: [UserTag]
  let consents: [Consent]
  /// By status.
  let deliveries: [String: Int]
  let lastSentAt: Date?
  /// By event.
  let receipts: [String: Int]
  let couponsIssued: Int
  let couponsRedeemed: Int
  /// Ids that were merged into this user.
  let merged: [UUID]

  /// Kinds of events shown.
  static let eventLimit = 50

  func reach(_ unknown: UnknownConsent) -> [(channel: Channel, verdict: String)] {
    Channel.allCases.map { channel in
      let verdict = ReachRule.verdict(
        channel: channel, class: .marketing, consents: user.consents, addresses: user.identities,
        devices: user.devices, suppressed: user.suppressed, unknown: unknown)
      switch verdict {
      case .reachable: return (channel, "reachable")
      case .noConsent: return (channel, "no_consent")
      case .denied: return (channel, "denied")
      case .suppressed: return (channel, "suppressed")
      case .noAddress: return (channel, "no_address")
      }
    }
  }
}
