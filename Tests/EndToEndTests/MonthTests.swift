import Foundation
import HeraldTesting
import JSON
import Postgres
import Synchronization
import Testing

// Among the others: some of them crash the PostgreSQL they share.
extension Torture {
  /// A stretch of business time that passes in minutes, judged by queries and by an oracle that
  /// computes every decision anew: `Tests/oracle`, in Python, which shares no code with Herald.
  ///
  /// Repeated by its seed, `HERALD_SEED=…`; without one the few days are always the same. With `HERALD_MONTH_KEEP=directory` what the oracle read is
  /// left there.
  @Suite(
    "Torture: a month passes",
    .enabled(if: MonthOracle.hasPython, "needs python3, in which the oracle is written"))
  struct MonthTests {
    private static let given = ProcessInfo.processInfo.environment["HERALD_SEED"]
      .flatMap { UInt64($0) }

    @Test("a few days of all triggers and journeys are as an oracle computes them")
    func short() async throws {
      try await pass(.short(seed: Self.given ?? 3))
    }

    @Test(
      "a month of three workers, killed again and again, is as an oracle computes it",
      .enabled(if: TortureForm.current.isLong, "only in `make torture`"))
    func long() async throws {
      try await pass(.long(seed: TortureForm.current.seed))
    }

    private func pass(_ form: MonthForm) async throws {
      print(
        """
        Month: HERALD_SEED=\(form.seed), \(form.users) people, \(form.events) events, \(form.plans) \
        plans, \(form.days) days from \(form.start.rfc3339), \(form.workers) workers, \
        \(form.kills) kills
        """)
      try await MonthScene.run(form) { scene in
        let began = ContinuousClock.now
        var run = MonthRun(scene)
        let workers = try MonthWorkers(scene)
        try await workers.disturbed { try await run.pass() }
        print("  passed in \(ContinuousClock.now - began), \(workers.killed) workers killed")
        let directory = try Self.directory()
        defer { Self.remove(directory) }
        try await MonthExport(scene: scene, run: run, directory: directory).write()
        print("  exported after \(ContinuousClock.now - began)")
        let (status, said) = try await MonthOracle.judge(directory)
        print(said)
        print("  judged after \(ContinuousClock.now - began)")
        #expect(status == 0, "the oracle does not agree: HERALD_SEED=\(form.seed)")
      }
    }

    private static func directory() throws -> String {
      if let kept = ProcessInfo.processInfo.environment["HERALD_MONTH_KEEP"] {
        try? FileManager.default.removeItem(atPath: kept)
        try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: true)
        return kept
      }
      var template = Array("/tmp/herald-month.XXXXXX".utf8CString)
      return String(cString: try #require(mkdtemp(&template)))
    }

    private static func remove(_ directory: String) {
      guard ProcessInfo.processInfo.environment["HERALD_MONTH_KEEP"] == nil else { return }
      try? FileManager.default.removeItem(atPath: directory)
    }
  }
}

/// The workers, of which one is killed now and then and replaced.
final class MonthWorkers: Sendable {
  private let scene: MonthScene
  private let programs: Mutex<[Program]>
  private let kills = Mutex(0)

  var killed: Int { kills.withLock { $0 } }

  init(_ scene: MonthScene) throws {
    self.scene = scene
    programs = Mutex(try (0..<scene.form.workers).map { _ in try scene.startWorker() })
  }

  /// Kills while `body` runs.
  func disturbed(_ body: () async throws -> Void) async throws {
    let killing = Task { try await self.kill() }
    defer { killing.cancel() }
    try await body()
    killing.cancel()
    // A worker that could not be started is a fault of its own.
    if case .failure(let error) = await killing.result, !(error is CancellationError) {
      throw error
    }
    for program in programs.withLock({ $0 }) {
      #expect(program.status == nil, "a worker ended by itself: \(program.output.suffix(2000))")
    }
  }

  private func kill() async throws {
    var random = TortureRandom(seed: scene.form.seed ^ 0x6b11)
    while killed < scene.form.kills {
      let pause = Int.random(in: 500...(scene.form.isLong ? 8000 : 4000), using: &random)
      try await Task.sleep(for: .milliseconds(pause))
      let index = Int.random(in: 0..<scene.form.workers, using: &random)
      let program = programs.withLock { $0[index] }
      program.signal(SIGKILL)
      _ = await program.end(within: .seconds(10))
      kills.withLock { $0 += 1 }
      let next = try scene.startWorker()
      programs.withLock { $0[index] = next }
    }
  }
}

/// `Tests/oracle`, which reads what was exported and says what differs.
enum MonthOracle {
  static let hasPython = ["/usr/bin/python3", "/usr/local/bin/python3"].contains { path in
    FileManager.default.isExecutableFile(atPath: path)
  }

  static func judge(_ directory: String) async throws -> (status: Int32?, said: String) {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
    let programs = try ProgramGroup(directory: directory)
    let oracle = try programs.start(
      "oracle", ["/usr/bin/env", "python3", "-B", root.path + "/oracle", directory])
    let status = await oracle.end(within: .seconds(900))
    let said = oracle.output
    await programs.end()
    return (status, said)
  }
}
