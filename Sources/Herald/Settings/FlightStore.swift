import Postgres

/// What is under way, by channel.
enum FlightStore {
  /// Deliveries that a live worker has handed over to a sender of the channel and not settled.
  static func inFlight(_ channel: Channel, in db: any Queryable) throws -> Int {
    try db.one(
      """
      SELECT count(*) AS n FROM queue q JOIN senders s ON s.key = q.sender
      WHERE q.handed_over_at IS NOT NULL AND q.leased_until > clock_timestamp()
        AND s.channel = \(channel.rawValue)
      """)?.get("n") ?? 0
  }
}
