import JSON

/// What templates may show: `user.<attribute>`, `event.<property>`, `plan.key`,
/// `steps.<id>.coupon.code` and `.valid_until`, `unsubscribe_url`.
public struct RenderVariables: Sendable {
  public let user: JSONObject
  public let event: JSONObject
  public let plan: JSONObject
  public let steps: JSONObject
  /// Of this message; nil where there is no public URL to make it of.
  public var unsubscribeURL: String?

  public init(
    user: JSONObject, event: JSONObject = [:], plan: JSONObject = [:], steps: JSONObject = [:],
    unsubscribeURL: String? = nil
  ) {
    self.user = user
    self.event = event
    self.plan = plan
    self.steps = steps
    self.unsubscribeURL = unsubscribeURL
  }
}
