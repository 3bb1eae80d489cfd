public enum Channel: String, Sendable, CaseIterable {
  case push, sms, coupon, email, wechat, in_app, webhook, service_message
}
public enum Receipt {
  public enum Event: String, Sendable, CaseIterable {
    case delivered, opened, clicked, bounced, unsubscribed, uninstalled
  }
}
