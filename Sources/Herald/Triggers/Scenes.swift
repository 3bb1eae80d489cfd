import Cryptography
import Foundation
import JSON
import Postgres

/// What happens to the world, and the plans it sets off.
public struct Scenes: Sendable {
  let db: Database
  let wake: Wake

  /// Stores a scene; false when its message id was seen before. Plans are launched right after, by
  /// whichever process comes first.
  func accept(
    name: String, timestamp: Date?, properties: JSONObject, messageID: String?,
    by caller: Caller, now: Date
  ) async throws -> (id: UUID, isNew: Bool) {
    try caller.mustSeeEverybody("; whom a scene concerns is everybody who fits. Use another key.")
    let scene = Scene(
      id: UUIDv7.next(now: now), name: name, timestamp: timestamp ?? now, properties: properties)
    let isNew = try await db.write { tx in
      try SceneStore.insert(scene, messageID: messageID, now: now, in: tx)
    }
    if isNew { wake.call() }
    return (scene.id, isNew)
  }

  /// Launches the live plans of one scene: a run each. True when there was one.
  static func launch(_ launches: Launches, now: Date) async throws -> Bool {
    let project = try await launches.settings()
    return try await launches.db.pool.write(timeout: Launches.patience) { tx in
      guard let scene = try SceneStore.lockUnmatched(in: tx) else { return false }
      for (name, takesPeople) in try PlanStore.inhabited(in: tx) where takesPeople {
        let approved = try launches.plans.get(name.plan, name.version, in: tx)
        guard case .scene(let trigger) = approved.document.trigger,
          approved.document.window?.contains(now) ?? true,
          let crowd = trigger.crowd(
            of: scene, now: now, zone: TimeZone(identifier: project.timeZone) ?? .gmt)
        else { continue }
        let plan = try PlanStore.lock(name.plan, in: tx)
        let version = try PlanStore.version(name.plan, name.version, in: tx)
        guard version.state == .live, !plan.paused else { continue }
        let parts = [
          try approved.predicate(crowd, now: now, project, in: tx),
          try approved.scope(now: now, project, in: tx) ?? "true",
        ]
        let refusal = try launches.freeze(
          approved, occurrence: "scene:\(scene.id.text)", SQL.joined(parts, separator: " AND "),
          project, values: scene.values, now: now, in: tx)
        if let refusal { try launches.refuse(refusal, plan, version, now: now, in: tx) }
      }
      try SceneStore.markMatched(scene.id, now: now, in: tx)
      return true
    }
  }
}
