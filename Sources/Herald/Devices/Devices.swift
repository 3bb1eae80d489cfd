import Foundation
import JSON
import Postgres

/// Where push messages to a person go.
public struct Devices: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  func list(_ ref: UserRef, for caller: Caller, now: Date) async throws -> [StoredDevice] {
    try await db.read { db in
      try DeviceStore.list(of: UserScope.load(ref, for: caller, now: now, in: db), in: db)
    }
  }

  /// Registers a device, or says that it is dead. A token that another user had is theirs no more.
  func put(
    _ device: Device, of ref: UserRef, by caller: Caller, now: Date
  ) async throws -> (device: StoredDevice, created: Bool) {
    try await db.write { tx in
      try IdentityLock.share(in: tx)
      let user = try UserScope.load(ref, for: caller, now: now, in: tx)
      try DeviceStore.require(
        [device], notIn: DeviceStore.outside([device], of: caller, now: now, in: tx))
      let watch = try PartWatch(of: ref, user, in: tx)
      let known = try DeviceStore.find(device.provider, device.token, of: user, in: tx)
      try DeviceStore.register([.init(user: user, device: device)], now: now, in: tx)
      try DeviceStore.setState(device.state, of: device, user, now: now, in: tx)
      try watch?.record(in: tx)
      try AuditStore.append(
        AuditEntry(
          "device.put", "user", user.text, after: device.auditJSON, by: caller, at: now), in: tx)
      guard
        let stored = try DeviceStore.find(device.provider, device.token, of: user, in: tx)
      else { throw HeraldError(.unexpected, "The device was not stored.") }
      return (stored, known == nil)
    }
  }

  /// 404 when the user does not have it.
  func remove(
    _ provider: String, _ token: String, of ref: UserRef, by caller: Caller, now: Date
  ) async throws {
    try await db.write { tx in
      try IdentityLock.share(in: tx)
      let user = try UserScope.load(ref, for: caller, now: now, in: tx)
      let watch = try PartWatch(of: ref, user, in: tx)
      guard let known = try DeviceStore.find(provider, token, of: user, in: tx) else {
        throw HeraldError(.notFound, "The user has no such device; check provider and token.")
      }
      try DeviceStore.delete(known.device, of: user, in: tx)
      try watch?.record(in: tx)
      try AuditStore.append(
        AuditEntry(
          "device.removed", "user", user.text, before: known.device.auditJSON, by: caller,
          at: now), in: tx)
    }
  }
}

extension Device {
  /// Without the token, which is personal.
  fileprivate var auditJSON: JSONValue {
    [
      "provider": .string(provider), "platform": .string(platform),
      "state": .string(state.rawValue),
    ]
  }
}
