import Foundation
import Postgres

/// A device with when it was registered and when it last changed.
struct StoredDevice: Sendable {
  let device: Device
  let createdAt: Date
  let updatedAt: Date
}

extension DeviceStore {
  static func list(of user: UUID, in db: any Queryable) throws -> [StoredDevice] {
    try db.query(
      """
      SELECT \(columns) FROM devices WHERE user_id = \(user) ORDER BY created_at, provider, token
      """
    ).map(StoredDevice.init)
  }

  static func find(
    _ provider: String, _ token: String, of user: UUID, in db: any Queryable
  ) throws -> StoredDevice? {
    try db.one(
      """
      SELECT \(columns) FROM devices
      WHERE user_id = \(user) AND provider = \(provider) AND token = \(token)
      """
    ).map(StoredDevice.init)
  }

  static func setState(
    _ state: Device.State, of device: Device, _ user: UUID, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE devices SET state = \(state.rawValue), updated_at = \(now)
      WHERE user_id = \(user) AND provider = \(device.provider) AND token = \(device.token)
        AND state <> \(state.rawValue)
      """)
  }

  static func delete(_ device: Device, of user: UUID, in tx: Transaction) throws {
    try tx.execute(
      """
      DELETE FROM devices
      WHERE user_id = \(user) AND provider = \(device.provider) AND token = \(device.token)
      """)
  }

  private static let columns: SQL = "provider, token, platform, state, created_at, updated_at"
}

extension StoredDevice {
  fileprivate init(_ row: Row) throws {
    self.init(
      device: Device(
        provider: try row.get("provider"), token: try row.get("token"),
        platform: try row.get("platform"),
        state: Device.State(rawValue: try row.get("state")) ?? .dead),
      createdAt: try row.get("created_at"), updatedAt: try row.get("updated_at"))
  }
}
