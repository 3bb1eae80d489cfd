/// An address nothing may be sent to: kind and normalised value.
public struct SuppressedAddress: Sendable, Hashable {
  /// A kind of identity, or `token`, whose value is `provider:token`.
  public let kind: String
  public let value: String

  public init(kind: String, value: String) {
    self.kind = kind
    self.value = value
  }

  public init(_ device: Device) {
    self.init(kind: "token", value: "\(device.provider):\(device.token)")
  }
}

/// What an unknown consent means for marketing; the settings may say otherwise than the standard.
public struct UnknownConsent: Sendable, Equatable {
  public let allowed: Set<Channel>

  public init(allowed: Set<Channel>) { self.allowed = allowed }

  public static let standard = UnknownConsent(
    allowed: [.push, .coupon, .inApp, .webhook, .serviceMessage])
}

/// Whether, and where, a person can be reached on a channel. The one rule for `reachable` of a user
/// and for the gate before a hand-over.
public enum ReachRule {
  public enum Address: Sendable, Equatable {
    case phone(String)
    case email(String)
    case openid(String)
    /// Every active device.
    case devices([Device])
    /// The channel needs none: coupons, messages in the app.
    case none
  }

  public enum Verdict: Sendable, Equatable {
    case reachable(Address)
    /// Consent is unknown, and unknown does not do here.
    case noConsent
    case denied
    case suppressed
    case noAddress
  }

  /// Suppression outranks consent, consent outranks the want of an address. `addresses` in the
  /// order of preference: the first that is not suppressed is taken. A denial of the channel or of
  /// the message's own `group` holds it back; a grant of either lets it through.
  public static func verdict(
    channel: Channel, class: MessageClass, consents: [Channel: ConsentState],
    group: ConsentState = .unknown, addresses: [Identity], devices: [Device],
    suppressed: Set<SuppressedAddress>, unknown: UnknownConsent = .standard
  ) -> Verdict {
    let address: Address?
    switch find(channel, addresses, devices, suppressed) {
    case .allSuppressed: return .suppressed
    case .absent: address = nil
    case .found(let found): address = found
    }
    let answers = [consents[channel] ?? .unknown, group]
    if answers.contains(.denied) { return .denied }
    if !answers.contains(.granted), `class` == .marketing, !unknown.allowed.contains(channel) {
      return .noConsent
    }
    return address.map(Verdict.reachable) ?? .noAddress
  }

  private enum Finding {
    case found(Address)
    case absent
    case allSuppressed
  }

  private static func find(
    _ channel: Channel, _ addresses: [Identity], _ devices: [Device],
    _ suppressed: Set<SuppressedAddress>
  ) -> Finding {
    func first(_ kind: String, _ make: (String) -> Address) -> Finding {
      let known = addresses.filter { $0.kind.key == kind }
      let open = known.first { !suppressed.contains(.init(kind: kind, value: $0.value)) }
      if let open { return .found(make(open.value)) }
      return known.isEmpty ? .absent : .allSuppressed
    }
    switch channel {
    case .sms: return first("phone", Address.phone)
    case .email: return first("email", Address.email)
    case .wechat, .serviceMessage: return first("wechat_openid", Address.openid)
    case .push:
      let active = devices.filter { $0.state == .active }
      let open = active.filter { !suppressed.contains(SuppressedAddress($0)) }
      if !open.isEmpty { return .found(.devices(open)) }
      return active.isEmpty ? .absent : .allSuppressed
    case .coupon, .inApp, .webhook: return .found(.none)
    }
  }
}
