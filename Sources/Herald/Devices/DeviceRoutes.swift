import HTTP
import JSON

enum DeviceRoutes {
  static func endpoints(_ devices: Devices) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/users/{u}/devices", .readers,
        Operation(
          "listDevices", "The devices of a user, oldest first; tokens are masked for analysts.",
          tag: "Users", responses: [200: Schema.page(Schema.ref("Device"))], errors: [.notFound])
      ) { call in
        let all = try await devices.list(
          try UserRef.inPath(call.path("u")), for: call.caller, now: call.now)
        let masked = call.caller.seesMasked
        return .json(
          200, ["data": .array(all.map { $0.json(masked: masked) }), "next": .null])
      },
      Endpoint(
        .put, "/v1/users/{u}/devices/{provider}/{token}", .writers,
        Operation(
          "putDevice",
          "Register a device, or say that it is dead. A token lives with one user: who had it before "
            + "gets nothing on it any more.", tag: "Users", path: names,
          request: Schema.object(["platform": Schema.key, "state?": state]),
          responses: [200: Schema.ref("Device"), 201: Schema.ref("Device")], errors: [.notFound])
      ) { call in
        let ref = try UserRef.inPath(call.path("u"))
        let (provider, token) = try call.deviceName()
        let device = try call.read { reader, _ in
          reader.string("platform", required: true, minLength: 1, maxLength: 32, pattern: .key)
            .map {
              Device(
                provider: provider, token: token, platform: $0,
                state: reader.choice("state", Device.State.self) ?? .active)
            }
        }
        let (stored, created) = try await devices.put(
          device, of: ref, by: call.caller, now: call.now)
        return .json(created ? 201 : 200, stored.json(masked: false))
      },
      Endpoint(
        .delete, "/v1/users/{u}/devices/{provider}/{token}", .writers,
        Operation(
          "deleteDevice", "Forget a device.", tag: "Users", path: names, responses: [204: nil],
          errors: [.notFound])
      ) { call in
        try await devices.remove(
          call.path("provider"), call.path("token"), of: try UserRef.inPath(call.path("u")),
          by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  static let components: JSONObject = [
    "Device": Schema.object([
      "platform": Schema.string, "provider": Schema.string, "token": Schema.string,
      "state": state, "created_at": Schema.instant, "updated_at": Schema.instant,
    ])
  ]

  private static let state = Schema.choice(Device.State.allCases.map(\.rawValue))
  private static let names = ["provider": Schema.key, "token": Schema.text(1...2048)]
}

extension StoredDevice {
  func json(masked: Bool) -> JSONValue {
    [
      "platform": .string(device.platform), "provider": .string(device.provider),
      "token": .string(masked ? UserMask.masked(device.token) : device.token),
      "state": .string(device.state.rawValue), "created_at": .instant(createdAt),
      "updated_at": .instant(updatedAt),
    ]
  }
}

extension Call {
  /// 422 when provider or token cannot be one.
  fileprivate func deviceName() throws -> (provider: String, token: String) {
    let provider = try key("provider")
    let token = path("token")
    guard 1...2048 ~= token.utf8.count,
      !token.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
    else {
      throw HeraldError(.invalid, "A token has 1 to 2048 bytes and no control characters.")
    }
    return (provider, token)
  }
}
