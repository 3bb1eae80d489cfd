import Foundation
import Glibc
import Synchronization

/// A program of this package as a process of its own, which can be killed, stopped and resumed.
public final class Program: Sendable {
  public struct Failure: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
  }

  public let pid: pid_t
  /// Where its standard output and error go.
  public let log: String
  private let ended = Mutex<Int32?>(nil)

  /// - Parameter group: the process group to join, see `ProgramGroup`; 0 makes a new one.
  init(
    _ arguments: [String], environment: [String: String], log: String, group: pid_t
  ) throws(Failure) {
    self.log = log
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(
      &actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
    // A reader of the tests' output must see it end although a child still runs.
    for descriptor in Self.inheritableDescriptors() {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, group)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    let lines = environment.map { "\($0.key)=\($0.value)" }
    let program = arguments.first ?? ""
    var process: pid_t = 0
    let failure = Self.withCStrings(arguments) { arguments in
      Self.withCStrings(lines) { environment in
        posix_spawn(&process, program, &actions, &attributes, arguments, environment)
      }
    }
    guard failure == 0 else {
      throw Failure(
        description: "\(arguments.first ?? "") cannot run: \(String(cString: strerror(failure)))")
    }
    pid = process
  }

  public func signal(_ number: Int32) {
    // Only while it is not reaped is the number surely its own.
    ended.withLock { if $0 == nil { kill(pid, number) } }
  }

  /// Nil while it runs; then its exit status, or 128 + the signal that ended it.
  public var status: Int32? {
    ended.withLock { ended in
      if let ended { return ended }
      var status: Int32 = 0
      guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
      ended = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
      return ended
    }
  }

  /// Its exit status as in `status`, nil when it did not end in time.
  public func end(within limit: Duration) async -> Int32? {
    let deadline = ContinuousClock.now + limit
    while status == nil, ContinuousClock.now < deadline {
      try? await Task.sleep(for: .milliseconds(5))
    }
    return status
  }

  public var output: String {
    (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
  }

  private static func inheritableDescriptors() -> [Int32] {
    let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return open.compactMap { Int32($0) }.filter { descriptor in
      let flags = fcntl(descriptor, F_GETFD)
      return descriptor > STDERR_FILENO && flags >= 0 && flags & FD_CLOEXEC == 0
    }
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return body(copies + [nil])
  }
}

/// Programs that end with the process that started them, however it ends.
public final class ProgramGroup: Sendable {
  /// Leads the group and outlives the tests by a second, long enough to end the group.
  private let guardian: Program
  private let members = Mutex<[Program]>([])
  private let directory: String

  /// - Parameter directory: for the outputs.
  public init(directory: String) throws {
    self.directory = directory
    let script = #"tail --pid="$1" -f /dev/null; kill -KILL 0"#
    guardian = try Program(
      ["/bin/sh", "-c", script, "guardian", "\(getpid())"], environment: ["PATH": Self.path],
      log: directory + "/guardian.log", group: 0)
  }

  private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  /// - Parameter name: of the output's file; several programs may share one.
  public func start(
    _ name: String, _ arguments: [String], environment: [String: String] = [:]
  ) throws -> Program {
    let all = ["PATH": Self.path, "LC_ALL": "C.UTF-8"].merging(environment) { $1 }
    let program = try Program(
      arguments, environment: all, log: "\(directory)/\(name).log", group: guardian.pid)
    members.withLock { $0.append(program) }
    return program
  }

  /// Kills what still runs.
  public func end() async {
    let members = members.withLock { $0 }
    for program in members + [guardian] where program.status == nil { program.signal(SIGKILL) }
    kill(-guardian.pid, SIGKILL)
    for program in members + [guardian] { _ = await program.end(within: .seconds(10)) }
  }
}
