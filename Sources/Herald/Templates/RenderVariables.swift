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

extension User {
  /// The attributes; `id` and `external_id` are reserved and outrank attributes of that name.
  public var renderJSON: JSONObject {
    var object = attributes
    object["id"] = .id(id)
    object["external_id"] =
      identities.first { $0.kind.key == "external_id" }.map { .string($0.value) }
    return object
  }
}
