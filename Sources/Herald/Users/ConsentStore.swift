import Cryptography
import Foundation
import Postgres

enum ConsentStore {
  struct Entry {
    let user: UUID
    let subscription: Subscription
    let state: ConsentState
  }

  /// Sets consents; what changes also goes to the history. At most one entry for each user and
  /// subscription.
  static func set(_ entries: [Entry], source: String, now: Date, in tx: Transaction) throws {
    guard !entries.isEmpty else { return }
    let entries = entries.sorted {
      ($0.user.text, $0.subscription.text) < ($1.user.text, $1.subscription.text)
    }
    try tx.execute(
      """
      WITH changed AS (
        INSERT INTO consents (user_id, channel, subscription_group, state, source, at)
        SELECT user_id, channel, subscription_group, state, \(source), \(now)
        FROM unnest(\(entries.map(\.user)), \(entries.map(\.subscription.channel.rawValue)),
          \(entries.map(\.subscription.group)), \(entries.map(\.state.rawValue)))
          AS n (user_id, channel, subscription_group, state)
        ORDER BY user_id, channel, subscription_group
        ON CONFLICT (user_id, channel, subscription_group) DO UPDATE
          SET state = excluded.state, source = excluded.source, at = excluded.at
          WHERE consents.state <> excluded.state
        RETURNING user_id, channel, subscription_group, state
      )
      INSERT INTO consent_history (user_id, id, channel, subscription_group, state, source, at)
      SELECT user_id, gen_random_uuid(), channel, subscription_group, state, \(source), \(now)
      FROM changed
      """)
  }
}

enum DeviceStore {
  struct Entry {
    let user: UUID
    let device: Device
  }

  /// Those whose tokens the caller would take from somebody they may not see.
  static func outside(
    _ devices: [Device], of caller: Caller, now: Date, in db: any Queryable
  ) throws -> Set<[String]> {
    guard caller.userScope != nil, !devices.isEmpty else { return [] }
    let owned = try db.query(
      """
      SELECT d.provider, d.token, d.user_id FROM devices d
      JOIN unnest(\(devices.map(\.provider)), \(devices.map(\.token))) AS n (provider, token)
        USING (provider, token)
      WHERE d.state = 'active'
      """
    ).map {
      (
        name: [try $0.get(0, as: String.self), try $0.get(1, as: String.self)],
        owner: try $0.get(2, as: UUID.self)
      )
    }
    let visible = try UserScope.visible(owned.map(\.owner), to: caller, now: now, in: db)
    return Set(owned.filter { !visible.contains($0.owner) }.map(\.name))
  }

  /// 403 when one of the devices is among those `outside`.
  static func require(_ devices: [Device], notIn outside: Set<[String]>) throws {
    if devices.contains(where: { outside.contains([$0.provider, $0.token]) }) {
      throw HeraldError(
        .forbidden,
        "The device is somebody's outside the user scope of this key; nothing was changed.")
    }
  }

  /// Registers devices. A token lives with one user only: who had it before no longer gets what is
  /// meant for the new one.
  static func register(_ entries: [Entry], now: Date, in tx: Transaction) throws {
    guard !entries.isEmpty else { return }
    let entries = entries.sorted {
      ($0.user.text, $0.device.provider, $0.device.token)
        < ($1.user.text, $1.device.provider, $1.device.token)
    }
    try tx.execute(
      """
      INSERT INTO devices (user_id, provider, token, platform, created_at, updated_at)
      SELECT user_id, provider, token, platform, \(now), \(now)
      FROM unnest(\(entries.map(\.user)), \(entries.map(\.device.provider)),
        \(entries.map(\.device.token)), \(entries.map(\.device.platform)))
        AS n (user_id, provider, token, platform)
      ORDER BY user_id, provider, token
      ON CONFLICT (user_id, provider, token) DO UPDATE SET platform = excluded.platform,
        state = 'active', updated_at = excluded.updated_at
      """)
    try tx.execute(
      """
      UPDATE devices d SET state = 'dead', updated_at = \(now)
      FROM unnest(\(entries.map(\.user)), \(entries.map(\.device.provider)),
        \(entries.map(\.device.token))) AS n (user_id, provider, token)
      WHERE d.provider = n.provider AND d.token = n.token AND d.user_id <> n.user_id
        AND d.state = 'active'
      """)
  }
}

enum SuppressionStore {
  /// Keeps only hashes: it must hold for an address that comes back after its owner was erased.
  static func add(
    _ addresses: [SuppressedAddress], reason: String, now: Date, in tx: Transaction
  ) throws {
    guard !addresses.isEmpty else { return }
    let hashed = addresses.map { ($0.kind, SHA256.hash(Array($0.value.utf8))) }
    try tx.execute(
      """
      INSERT INTO suppressions (kind, value_hash, reason, created_at)
      SELECT DISTINCT kind, hash, \(reason), \(now)
      FROM unnest(\(hashed.map(\.0)), \(hashed.map { Bytea($0.1) })) AS n (kind, hash)
      ORDER BY kind, hash
      ON CONFLICT (kind, value_hash) DO NOTHING
      """)
  }

  /// Which of these may not be sent to.
  static func find(
    _ addresses: [SuppressedAddress], in db: any Queryable
  ) throws -> Set<SuppressedAddress> {
    guard !addresses.isEmpty else { return [] }
    let rows = try db.query(
      """
      SELECT n.kind, n.value FROM unnest(\(addresses.map(\.kind)), \(addresses.map(\.value)))
        AS n (kind, value)
      JOIN suppressions s ON s.kind = n.kind
        AND s.value_hash = sha256(convert_to(n.value, 'UTF8'))
      """)
    return Set(try rows.map { SuppressedAddress(kind: try $0.get(0), value: try $0.get(1)) })
  }
}
