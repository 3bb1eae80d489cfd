import Glibc

extension Postmaster {
  /// How long a start may take; after a crash, recovery is part of it.
  static let startLimit = Duration.seconds(600)

  /// Starts the server and returns when it accepts connections.
  static func start(
    _ programs: ServerPrograms, in directory: ClusterDirectory, as account: ServerAccount
  ) async throws(ClusterError) -> Postmaster {
    let patience = ContinuousClock.now + .seconds(60)
    while true {
      let left = Postmaster(file: ClusterFiles.tail(file(directory.database)))
      let process = try launch(programs, in: directory, as: account)
      if let server = try await awaitReady(in: directory, unlessEnded: process, left: left) {
        return server
      }
      let words = ClusterFiles.tail(directory.startLog) + newestLog(in: directory)
      // Sessions of a server that was killed leave within moments; until then PostgreSQL refuses.
      let isLeftOver = words.contains("pre-existing shared memory block")
      guard isLeftOver, ContinuousClock.now < patience else {
        throw .startFailed(directory: directory.database, output: words)
      }
      await Pause.milliseconds(200)
    }
  }

  /// Waits for a server that is starting. With `unlessEnded` it gives up (nil) when that process
  /// ends; a server that was found running is waited for by its file alone. `left` is what the file
  /// said before the start: in a new container a new server may well have the old one's number.
  static func awaitReady(
    in directory: ClusterDirectory, unlessEnded process: pid_t? = nil, left: Postmaster? = nil
  ) async throws(ClusterError) -> Postmaster? {
    var server: Postmaster?
    var hasEnded = false
    let isInTime = await Pause.until(startLimit) {
      server = running(on: directory.database)
      if let server, server.isReady, server != left { return true }
      // Not 0: it has ended just now, or was reaped before.
      hasEnded = process.map { waitpid($0, nil, WNOHANG) != 0 } ?? (server == nil)
      return hasEnded
    }
    guard isInTime else {
      throw .startTooSlow(
        directory: directory.database, seconds: Int(startLimit.components.seconds))
    }
    return hasEnded ? nil : server
  }

  private static func launch(
    _ programs: ServerPrograms, in directory: ClusterDirectory, as account: ServerAccount
  ) throws(ClusterError) -> pid_t {
    let log = open(
      directory.startLog, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard log >= 0 else { throw .system("write", directory.startLog) }
    defer { close(log) }
    directory.owner.claim(log)
    return try ChildProcess.spawn(
      account.command(programs.postgres, ["-D", directory.database]), output: log,
      ownSession: true)
  }

  /// What the server itself logged last; failures after its first moments are only there.
  private static func newestLog(in directory: ClusterDirectory) -> String {
    let folder = directory.database + "/log"
    guard let listing = opendir(folder) else { return "" }
    defer { closedir(listing) }
    var newest: (time: Int, path: String)?
    while let item = readdir(listing) {
      let name = withUnsafeBytes(of: item.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      var status = stat()
      guard name.hasSuffix(".log"), stat("\(folder)/\(name)", &status) == 0 else { continue }
      let time = status.st_mtim.tv_sec
      if newest.map({ time >= $0.time }) ?? true { newest = (time, "\(folder)/\(name)") }
    }
    return newest.map { ClusterFiles.tail($0.path) } ?? ""
  }
}
