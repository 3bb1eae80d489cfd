import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Synchronization

/// Plans as they run, for any number of people who watch.
///
/// Whoever watches waits in a suspended task, with no thread and no connection to the database. Of
/// those who watch one plan with the same user scope one at a time asks the database, for all of
/// them: at most once a second, and less often when the answer takes long, so that watching takes a
/// tenth of one connection's time however many look on and however large the plan is.
public final class LiveFeeds: Sendable {
  struct Settings: Sendable {
    /// From one look to the next at the least.
    var interval = Duration.seconds(1)
    /// Silence is broken after this long, so that everybody between knows of the connection.
    var heartbeat = Duration.seconds(10)
    /// A key is asked for again after this long.
    var recheck = Duration.seconds(5)
    /// A viewer is sent away after this long and comes back by itself.
    var longest = Duration.seconds(3600)
    var viewers = 200
  }

  /// Why a stream ends.
  enum End: String, CaseIterable {
    /// The plan is over and nothing is pending.
    case over
    /// The server is stopping; another one, or the next, goes on.
    case stopping
    /// The key is no longer good.
    case revoked
    /// It was open for as long as one may be.
    case renew
  }

  private struct Name: Hashable {
    let plan: String
    /// Canonical JSON of a user scope; nil for everybody.
    let scope: [UInt8]?
  }

  /// What the viewers of one plan share.
  private struct Feed {
    var viewers = 0
    var number = 0
    var latest: LiveSnapshot?
    var takenAt = ContinuousClock.now
    var nextAt = ContinuousClock.now
    var isAsking = false
    let wake = Wake()
  }

  private struct State {
    var feeds: [Name: Feed] = [:]
    var viewers = 0
    var isClosed = false
    /// Questions put to the database.
    var looks = 0
  }

  private let db: Database
  private let projectSettings: @Sendable () async throws -> ProjectSettings
  private let now: @Sendable () -> Date
  let settings: Settings
  private let state = Mutex(State())

  init(
    db: Database, settings: Settings = Settings(),
    projectSettings: @escaping @Sendable () async throws -> ProjectSettings,
    now: @escaping @Sendable () -> Date
  ) {
    self.db = db
    self.settings = settings
    self.projectSettings = projectSettings
    self.now = now
  }

  var looks: Int { state.withLock(\.looks) }
  var viewers: Int { state.withLock(\.viewers) }

  /// Ends every stream and lets no new one begin: the server is stopping.
  public func close() {
    let wakes = state.withLock { state in
      state.isClosed = true
      return state.feeds.values.map(\.wake)
    }
    for wake in wakes { wake.call() }
  }

  /// 404 without such a plan; 429 when too many watch.
  func open(_ plan: String) async throws {
    _ = try await db.read { try PlanStore.load(plan, in: $0) }
    guard state.withLock({ $0.viewers < settings.viewers }) else {
      throw HeraldError(
        .throttled, "\(settings.viewers) streams are open already; try again in a while.",
        retryAfter: 10)
    }
  }

  /// Sends what happens until it is over, for `longest` at most. Throws when the viewer is gone.
  /// `isWelcome` is asked every few seconds.
  func stream(
    _ plan: String, for caller: Caller, longest: Duration? = nil, to writer: ResponseWriter,
    isWelcome: @escaping @Sendable () async -> Bool
  ) async throws {
    let name = Name(plan: plan, scope: caller.userScope?.json.canonicalBytes)
    enter(name)
    defer { leave(name) }
    let began = ContinuousClock.now
    let until = began + min(longest ?? settings.longest, settings.longest)
    var (number, checkedAt, spokeAt) = (0, began, began)
    var last: JSONValue?
    try await writer.write("retry: 2000\n\n")
    while true {
      if state.withLock(\.isClosed) { return try await end(.stopping, writer) }
      if ContinuousClock.now >= until { return try await end(.renew, writer) }
      if ContinuousClock.now - checkedAt >= settings.recheck {
        checkedAt = .now
        guard await isWelcome() else { return try await end(.revoked, writer) }
      }
      if let (snapshot, taken) = try await next(name, caller, after: number, until: until) {
        number = taken
        let changing = snapshot.changing
        if changing != last {
          last = changing
          spokeAt = .now
          try await writer.write("id: \(number)\nevent: live\ndata: \(snapshot.json.text)\n\n")
        }
        if snapshot.isOver { return try await end(.over, writer) }
      }
      if ContinuousClock.now - spokeAt >= settings.heartbeat {
        spokeAt = .now
        try await writer.write(": nothing new\n\n")
      }
    }
  }

  private func end(_ reason: End, _ writer: ResponseWriter) async throws {
    try await writer.write("event: end\ndata: {\"reason\":\"\(reason.rawValue)\"}\n\n")
  }

  private func enter(_ name: Name) {
    state.withLock { state in
      state.viewers += 1
      state.feeds[name, default: Feed()].viewers += 1
    }
  }

  /// The last one forgets the feed.
  private func leave(_ name: Name) {
    state.withLock { state in
      state.viewers -= 1
      state.feeds[name]?.viewers -= 1
      if state.feeds[name]?.viewers == 0 { state.feeds[name] = nil }
    }
  }

  private enum Turn {
    case take(LiveSnapshot, Int)
    case ask
    case wait(Wake, Duration)
  }

  /// A snapshot newer than the one of this number; nil when there was none for a moment.
  private func next(
    _ name: Name, _ caller: Caller, after number: Int, until: ContinuousClock.Instant
  ) async throws -> (LiveSnapshot, Int)? {
    switch turn(name, after: number, until: until) {
    case .take(let snapshot, let number): return (snapshot, number)
    case .wait(let wake, let limit):
      await wake.wait(atMost: limit)
      try Task.checkCancellation()
      return nil
    case .ask:
      try await ask(name, caller)
      return nil
    }
  }

  private func turn(_ name: Name, after number: Int, until: ContinuousClock.Instant) -> Turn {
    state.withLock { state in
      guard var feed = state.feeds[name] else { return .wait(Wake(), .milliseconds(100)) }
      if let latest = feed.latest, feed.number > number { return .take(latest, feed.number) }
      let now = ContinuousClock.now
      let limit = min(settings.heartbeat, settings.recheck, max(.zero, until - now))
      if feed.isAsking { return .wait(feed.wake, limit) }
      if feed.nextAt > now { return .wait(feed.wake, min(limit, feed.nextAt - now)) }
      feed.isAsking = true
      state.feeds[name] = feed
      state.looks += 1
      return .ask
    }
  }

  /// Asks the database for everybody who waits. While it is away they wait.
  private func ask(_ name: Name, _ caller: Caller) async throws {
    let began = ContinuousClock.now
    var taken: LiveSnapshot?
    do {
      let zone = try await projectSettings().timeZone
      let moment = now()
      taken = try await db.snapshot { tx in
        let scope = try ReportScope(caller, projectZone: zone, now: moment, in: tx)
        return try LiveStore.snapshot(name.plan, scope: scope, now: moment, in: tx)
      }
    } catch let error as PostgresError where error.isUnavailable {
      taken = nil
    } catch {
      answer(name, nil, began)
      throw error
    }
    answer(name, taken, began)
  }

  private func answer(
    _ name: Name, _ snapshot: LiveSnapshot?, _ began: ContinuousClock.Instant
  ) {
    let ended = ContinuousClock.now
    let wake = state.withLock { state -> Wake? in
      guard var feed = state.feeds[name] else { return nil }
      feed.isAsking = false
      feed.nextAt = ended + max(settings.interval, (ended - began) * 9)
      if var snapshot {
        if let before = feed.latest {
          snapshot.perSecond = Self.rate(before, snapshot, over: began - feed.takenAt)
        }
        feed.latest = snapshot
        feed.takenAt = began
        feed.number += 1
      }
      state.feeds[name] = feed
      return feed.wake
    }
    wake?.call()
  }

  private static func rate(
    _ before: LiveSnapshot, _ after: LiveSnapshot, over time: Duration
  ) -> Double {
    let seconds =
      Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
    guard seconds > 0 else { return 0 }
    return (Double(max(0, after.sent - before.sent)) / seconds * 10).rounded() / 10
  }
}
