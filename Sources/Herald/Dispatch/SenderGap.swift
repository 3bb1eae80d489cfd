import JSON
import Postgres

/// What keeps messages of a plan on a channel from being carried, as far as the senders go. As it is
/// now; the dispatcher keeps no note of it.
enum SenderGap {
  /// What keeps each sender that was approved for the channel, by its key; nil when one of them can, or
  /// none is needed. `only`: the one that may have sent the message already.
  static func find(
    _ manifest: Manifest, _ channel: Channel, only: String? = nil, in db: any Queryable
  ) throws -> [String: String]? {
    var obstacles: [String: String] = [:]
    for (key, approved) in manifest.senders
    where approved["channel"]?.stringValue == channel.rawValue && key == only ?? key {
      guard let obstacle = try SenderStore.find(key, in: db).obstacle(since: approved) else {
        return nil
      }
      obstacles[key] = obstacle
    }
    return obstacles.isEmpty ? nil : obstacles
  }
}

extension StoredSender? {
  /// What keeps a sender from carrying what was approved for it as `approved`; nil when nothing does.
  fileprivate func obstacle(since approved: JSONValue) -> String? {
    guard let self else { return "archived" }
    if self.state != .active {
      return ["paused", self.stateReason].compactMap(\.self).joined(separator: ": ")
    }
    return self.sender.approvedContent == approved ? nil : "changed since the approval"
  }
}
