import Foundation
import JSON
import Postgres

extension Tags {
  /// Sets a tag on a user. Without a value a flag is set; without an expiry the tag's ttl counts.
  func set(
    _ key: String, on ref: UserRef, value: JSONValue?, expiresAt: Date?, by caller: Caller,
    now: Date
  ) async throws -> (tag: UserTag, created: Bool) {
    try await db.write { tx in
      try IdentityLock.share(in: tx)
      let user = try UserScope.load(ref, for: caller, now: now, in: tx)
      let watch = try PartWatch(of: ref, user, in: tx)
      let tag = try TagStore.load(key, in: tx).tag
      let assignment = try tag.assignment(user, value, expiresAt: expiresAt, now: now)
      let before = try UserTagStore.find(key, of: user, now: now, in: tx)
      try UserTagStore.assign([assignment], source: "api", now: now, in: tx)
      try watch?.record(touched: .init(tags: [key]), in: tx)
      try UserScope.requireInside([user], for: caller, now: now, in: tx)
      guard let after = try UserTagStore.find(key, of: user, now: now, in: tx) else {
        throw HeraldError(.unexpected, "The tag was not stored.")
      }
      try AuditStore.append(
        AuditEntry(
          "user.tagged", "user", user.text, before: before?.auditJSON, after: after.auditJSON,
          by: caller, at: now), in: tx)
      return (after, before == nil)
    }
  }

  /// 404 when the user does not have the tag.
  func remove(_ key: String, from ref: UserRef, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      try IdentityLock.share(in: tx)
      let user = try UserScope.load(ref, for: caller, now: now, in: tx)
      let watch = try PartWatch(of: ref, user, in: tx)
      guard let before = try UserTagStore.find(key, of: user, now: now, in: tx) else {
        throw HeraldError(.notFound, "The user does not have the tag '\(key)'.")
      }
      try UserTagStore.remove([(user, key)], in: tx)
      try watch?.record(in: tx)
      try UserScope.requireInside([user], for: caller, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "user.untagged", "user", user.text, before: before.auditJSON, by: caller, at: now),
        in: tx)
    }
  }
}

extension Tag {
  /// 422 when the value is none of this tag's.
  func assignment(
    _ user: UUID, _ value: JSONValue?, expiresAt: Date?, now: Date
  ) throws -> UserTagStore.Assignment {
    let pointer = JSONPointer(tokens: ["value"])
    if value == nil, type != .flag {
      throw HeraldError.invalid([
        JSONFault(.required, at: pointer, "Tag '\(key)' takes a value: a \(type.rawValue).")
      ])
    }
    let value = value ?? .bool(true)
    if let fault = fault(of: value, at: pointer) { throw HeraldError.invalid([fault]) }
    if let expiresAt, expiresAt <= now {
      throw HeraldError.invalid(
        "The tag would have expired already.", at: JSONPointer(tokens: ["expires_at"]))
    }
    let end = expiresAt ?? ttl.map { now.addingTimeInterval(Double($0.seconds)) }
    return UserTagStore.Assignment(user: user, tag: key, value: value, expiresAt: end)
  }
}

extension UserTag {
  fileprivate var auditJSON: JSONValue {
    ["tag": .string(tag), "value": value, "expires_at": .instant(expiresAt)]
  }
}
