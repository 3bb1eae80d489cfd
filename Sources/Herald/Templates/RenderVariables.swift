import JSON

/// What templates may show: `user.<attribute>`, `event.<property>`, `plan.key`,
/// `steps.<id>.coupon.code` and `.valid_until`.
public struct RenderVariables: Sendable {
  public let user: JSONObject
  public let event: JSONObject
  public let plan: JSONObject
  public let steps: JSONObject

  public init(
    user: JSONObject, event: JSONObject = [:], plan: JSONObject = [:], steps: JSONObject = [:]
  ) {
    self.user = user
    self.event = event
    self.plan = plan
    self.steps = steps
  }
}
