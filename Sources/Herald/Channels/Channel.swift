/// A way to reach a person.
public enum Channel: String, CaseIterable, Sendable, Hashable {
  case push, sms, coupon, email, wechat
  case inApp = "in_app"
  case webhook
  case serviceMessage = "service_message"
}

extension Channel {
  /// The kind of identity messages of this channel are addressed by; nil where it is none: push goes
  /// to devices, the others to the user.
  public var identityKind: String? {
    switch self {
    case .sms: "phone"
    case .email: "email"
    case .wechat: "wechat_openid"
    case .push, .coupon, .inApp, .webhook, .serviceMessage: nil
    }
  }
}
