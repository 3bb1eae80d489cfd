import Testing

@testable import Herald

@Suite("Who can be reached")
struct ReachRuleTests {
  private static let phone = Identity(
    kind: IdentityKind.named("phone") ?? .externalID, value: "+8613800138000")
  private static let device = Device(provider: "fcm", token: "t", platform: "android")
  private static let dead = Device(provider: "fcm", token: "t", platform: "android", state: .dead)

  private func verdict(
    _ channel: Channel, _ consent: ConsentState?, class: MessageClass = .marketing,
    addresses: [Identity] = [phone], devices: [Device] = [device],
    suppressed: Set<SuppressedAddress> = [], unknown: UnknownConsent = .standard
  ) -> ReachRule.Verdict {
    ReachRule.verdict(
      channel: channel, class: `class`, consents: consent.map { [channel: $0] } ?? [:],
      addresses: addresses, devices: devices, suppressed: suppressed, unknown: unknown)
  }

  @Test("marketing by SMS needs a yes, a push needs no no")
  func unknown() {
    #expect(verdict(.sms, nil) == .noConsent)
    #expect(verdict(.sms, .unknown) == .noConsent)
    #expect(verdict(.sms, .granted) == .reachable(.phone("+8613800138000")))
    #expect(verdict(.push, nil) == .reachable(.devices([Self.device])))
    #expect(verdict(.push, .denied) == .denied)
    #expect(verdict(.coupon, nil, addresses: [], devices: []) == .reachable(.none))
    #expect(verdict(.inApp, nil, addresses: [], devices: []) == .reachable(.none))
    #expect(verdict(.email, nil) == .noConsent)
    #expect(verdict(.wechat, nil) == .noConsent)
  }

  @Test("settings may say what unknown means")
  func settings() {
    #expect(verdict(.push, nil, unknown: UnknownConsent(allowed: [])) == .noConsent)
    #expect(
      verdict(.sms, nil, unknown: UnknownConsent(allowed: [.sms]))
        == .reachable(.phone("+8613800138000")))
  }

  @Test("transactional messages go out but where denied")
  func transactional() {
    #expect(verdict(.sms, nil, class: .transactional) == .reachable(.phone("+8613800138000")))
    #expect(verdict(.sms, .denied, class: .transactional) == .denied)
  }

  @Test("without an address there is no way, and a dead device is none")
  func addresses() {
    #expect(verdict(.sms, .granted, addresses: []) == .noAddress)
    #expect(verdict(.push, .granted, devices: [Self.dead]) == .noAddress)
    #expect(verdict(.sms, nil, addresses: []) == .noConsent)
  }

  @Test("suppression outranks consent, and the next address is taken when one is suppressed")
  func suppression() {
    let suppressed: Set = [SuppressedAddress(kind: "phone", value: "+8613800138000")]
    let other = Identity(kind: Self.phone.kind, value: "+8613900139000")
    #expect(verdict(.sms, .granted, suppressed: suppressed) == .suppressed)
    #expect(verdict(.sms, .denied, suppressed: suppressed) == .suppressed)
    #expect(
      verdict(.sms, .granted, addresses: [Self.phone, other], suppressed: suppressed)
        == .reachable(.phone("+8613900139000")))
    #expect(
      verdict(.push, .granted, suppressed: [SuppressedAddress(Self.device)]) == .suppressed)
  }
}
