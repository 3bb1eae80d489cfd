/// A way to reach a person.
public enum Channel: String, CaseIterable, Sendable, Hashable {
  case push, sms, coupon, email, wechat
  case inApp = "in_app"
  case webhook
  case serviceMessage = "service_message"
}
