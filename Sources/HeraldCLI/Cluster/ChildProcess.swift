import Foundation
import Glibc

/// Programs started by Herald: they inherit none of its descriptors, none of its ignored or blocked
/// signals and, of its environment, what is handed to them; they work in `/`.
enum ChildProcess {
  /// POSIX_SPAWN_SETSID, a GNU extension that the headers hide from Swift.
  private static let posixSpawnSetSID: Int32 = 0x80

  struct Outcome: Sendable {
    /// The exit status, or 128 + the signal that ended it.
    let status: Int32
    /// Standard output and standard error.
    let output: String
  }

  /// Runs a program to its end.
  static func run(
    _ arguments: [String], environment: [String: String] = [:]
  ) async throws(ClusterError) -> Outcome {
    var template = Array("/tmp/herald-output.XXXXXX".utf8CString)
    let file = mkstemp(&template)
    guard file >= 0 else { throw .system("create a file in", "/tmp") }
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    unlink(template)
    defer { close(file) }
    let process = try spawn(
      arguments, output: file, ownSession: false, environment: environment)
    var status: Int32 = 0
    _ = await Pause.until(.seconds(3600)) {
      let ended = waitpid(process, &status, WNOHANG)
      return ended == process || (ended < 0 && errno != EINTR)
    }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = pread(file, &bytes, bytes.count, 0)
    return Outcome(
      status: status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f),
      output: String(decoding: bytes.prefix(max(0, count)), as: UTF8.self))
  }

  /// Starts a program and does not wait for it. In a session of its own it survives what is done to
  /// Herald's terminal.
  static func spawn(
    _ arguments: [String], output: Int32, ownSession: Bool, environment: [String: String] = [:]
  ) throws(ClusterError) -> pid_t {
    let program = arguments.first ?? ""
    guard access(program, X_OK) == 0 else {
      throw .cannotRun(program: program, reason: String(cString: strerror(errno)))
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
    for descriptor in inheritableDescriptors() {
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
    let session = ownSession ? posixSpawnSetSID : 0
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | session))

    // The shell gives up the working directory, then becomes the program: same process number.
    let line = ["/bin/sh", "-c", "cd / && unset OLDPWD && exec \"$@\"", "sh"] + arguments
    let environment =
      [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
      ] + environment.map { "\($0.key)=\($0.value)" }
    var process: pid_t = 0
    let failure = withCStrings(line) { line in
      withCStrings(environment) { environment in
        posix_spawn(&process, "/bin/sh", &actions, &attributes, line, environment)
      }
    }
    guard failure == 0 else {
      throw .cannotRun(program: program, reason: String(cString: strerror(failure)))
    }
    return process
  }

  /// Herald opens everything with O_CLOEXEC; this is for what libraries and whoever started Herald
  /// left open.
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
