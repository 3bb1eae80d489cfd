import Foundation
import Synchronization

@testable import HeraldCLI

/// The `herald` program as a process of its own; what it prints is kept.
final class HeraldProcess: Sendable {
  private let process: Process
  private let path: String

  init(_ arguments: [String], environment: [String: String] = [:], input: Pipe? = nil) throws {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    process = Process()
    process.executableURL = URL(fileURLWithPath: own).deletingLastPathComponent()
      .appendingPathComponent("herald")
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    path = "/tmp/herald-output-\(UUID().uuidString)"
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    let output = FileHandle(forWritingAtPath: path)
    process.standardOutput = output
    process.standardError = output
    if let input { process.standardInput = input }
    try process.run()
  }

  deinit { unlink(path) }

  var output: String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Signals as soon as what it prints is as asked for. False when that has not come within two
  /// minutes, or the program ended without. A thread of its own watches: the tasks of a test may
  /// stand still for longer than the program takes.
  func signal(_ number: Int32, once ready: @escaping @Sendable (String) -> Bool) async -> Bool {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { [self] in
        let deadline = ContinuousClock.now + .seconds(120)
        while !ready(output) {
          guard process.isRunning, ContinuousClock.now < deadline else {
            return continuation.resume(returning: false)
          }
          Thread.sleep(forTimeInterval: 0.02)
        }
        signal(number)
        continuation.resume(returning: true)
      }
    }
  }

  /// The exit code; nil when the program is not through after three minutes, and is killed.
  func end() async -> Int32? {
    if await Pause.until(.seconds(180), { !process.isRunning }) { return process.terminationStatus }
    signal(SIGKILL)
    return nil
  }
}
