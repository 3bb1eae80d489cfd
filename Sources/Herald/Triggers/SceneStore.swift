import Foundation
import JSON
import Postgres

enum SceneStore {
  /// False when a scene with this message id was there before.
  static func insert(
    _ scene: Scene, messageID: String?, now: Date, in tx: Transaction
  ) throws -> Bool {
    try tx.execute(
      """
      INSERT INTO scenes (id, name, ts, properties, message_id, received_at)
      VALUES (\(scene.id), \(scene.name), \(scene.timestamp),
        \(JSONB(.object(scene.properties))), \(messageID), \(now))
      ON CONFLICT (message_id) DO NOTHING
      """) == 1
  }

  /// The oldest scene whose plans were not launched; locked, so that they are launched once.
  static func lockUnmatched(in tx: Transaction) throws -> Scene? {
    try tx.one(
      """
      SELECT id, name, ts, properties FROM scenes WHERE matched_at IS NULL
      ORDER BY received_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
      """
    ).map { row in
      Scene(
        id: try row.get("id"), name: try row.get("name"), timestamp: try row.get("ts"),
        properties: try row.json("properties").objectValue ?? [:])
    }
  }

  static func markMatched(_ id: UUID, now: Date, in tx: Transaction) throws {
    try tx.execute("UPDATE scenes SET matched_at = \(now) WHERE id = \(id)")
  }
}
