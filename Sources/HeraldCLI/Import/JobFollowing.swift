import Foundation
import JSON

/// A job of Herald's as `GET /v1/jobs/{id}` shows it.
struct JobView: Sendable {
  let id: String
  let kind: String
  let state: String
  let done: Int
  let failed: Int
  let total: Int?
  let problem: String?

  var isOver: Bool { ["completed", "failed", "cancelled"].contains(state) }

  init(_ json: JSONValue) {
    id = json["id"]?.stringValue ?? ""
    kind = json["kind"]?.stringValue ?? ""
    state = json["state"]?.stringValue ?? ""
    done = json["done"]?.intValue ?? 0
    failed = json["failed"]?.intValue ?? 0
    total = json["total"]?.intValue
    problem = json["problem"]?.stringValue
  }
}

/// Uploads and jobs with their progress shown.
struct JobFollowing: Sendable {
  let client: HeraldClient
  let terminal: Terminal

  /// How long a Herald that does not answer is waited for; the job goes on when it is back.
  static let patience = Duration.seconds(120)

  /// Returns the job's id when the whole file has arrived.
  func upload(kind: String, triggers: Bool = false, _ file: UploadFile) async throws -> String {
    try await withThrowingTaskGroup(of: String?.self) { group in
      group.addTask { try await client.upload(kind: kind, triggers: triggers, file) }
      group.addTask {
        while !Task.isCancelled {
          terminal.progress("uploading", file.sent, of: file.length, note: Self.size(file.sent))
          try? await Task.sleep(for: .milliseconds(100))
        }
        return nil
      }
      defer {
        group.cancelAll()
        terminal.endProgress()
      }
      while let ended = try await group.next() {
        if let job = ended { return job }
      }
      throw CancellationError()
    }
  }

  /// Returns when the job is over.
  func follow(_ id: String) async throws -> JobView {
    defer { terminal.endProgress() }
    var silentSince: ContinuousClock.Instant?
    var pause = Duration.milliseconds(50)
    var rate = Rate()
    while true {
      do {
        let job = JobView(try await client.call("GET", "/v1/jobs/\(id)"))
        silentSince = nil
        if job.isOver { return job }
        rate.add(job.done)
        terminal.progress(
          job.state == "running" ? "importing" : job.state, job.done, of: job.total,
          note: Self.note(job, rate))
      } catch let error as HeraldClient.Unreachable {
        let since = silentSince ?? .now
        silentSince = since
        guard ContinuousClock.now - since < Self.patience else { throw error }
        terminal.progress("waiting", 0, of: nil, note: error.description)
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, .milliseconds(500))
    }
  }

  private static func note(_ job: JobView, _ rate: Rate) -> String {
    var parts: [String] = []
    if let total = job.total { parts.append("\(job.done.grouped) of \(total.grouped)") }
    if let perSecond = rate.perSecond { parts.append("\(perSecond.grouped)/s") }
    if job.failed > 0 { parts.append("\(job.failed.grouped) failed") }
    return parts.joined(separator: ", ")
  }

  static func size(_ bytes: Int) -> String {
    if bytes < 10_000 { return "\(bytes.grouped) bytes" }
    if bytes < 10_000_000 { return "\((bytes / 1000).grouped) kB" }
    return "\((bytes / 1_000_000).grouped) MB"
  }

  /// Over the whole time that was watched.
  private struct Rate {
    private var first: (at: ContinuousClock.Instant, done: Int)?
    private(set) var perSecond: Int?

    mutating func add(_ done: Int) {
      guard let first else { return self.first = (.now, done) }
      let (seconds, attoseconds) = (ContinuousClock.now - first.at).components
      let time = Double(seconds) + Double(attoseconds) / 1e18
      if time > 0.5 { perSecond = Int(Double(done - first.done) / time) }
    }
  }
}
