import Glibc
import Logging

/// The way from a data directory in any state to a running server.
struct ClusterPreparation: Sendable {
  let directory: ClusterDirectory
  let environment: [String: String]
  let logger: Logger

  /// A running server that knows Herald's roles and database. To be called under the change lock.
  func serverWithRoles() async throws(ClusterError) -> Postmaster {
    let server = try await server()
    do {
      try await ClusterRoles.establish(socketDirectory: server.socketDirectory, logger: logger)
      return server
    } catch {
      // A server that was adopted while it was dying is no reason to give up.
      guard await Pause.until(.seconds(5), { !server.isServer(of: directory.database) }) else {
        throw error
      }
    }
    let next = try await self.server()
    try await ClusterRoles.establish(socketDirectory: next.socketDirectory, logger: logger)
    return next
  }

  /// Adopts the server that runs, or starts one, or creates one.
  private func server() async throws(ClusterError) -> Postmaster {
    if let adopted = try await adopted() { return adopted }
    let made = try madeVersion()
    let programs = try await ServerPrograms.find(version: made, environment: environment)
    if let made, made != programs.version {
      throw .otherMajorVersion(
        directory: directory.database, made: made, found: programs.version,
        programs: programs.directory)
    }
    let account = try ServerAccount.choose(for: directory)
    try await account.requireEntry(to: directory.path)
    if made == nil { try await initialise(programs, account) }

    let sockets = try SocketDirectory.prepare(in: directory, for: account)
    let herald = SystemUser(id: geteuid())
    let settings = ServerSettings(
      socketDirectory: sockets, memory: ServerSettings.availableMemory(),
      users: [account.user.name] + (herald.map { [$0.name] } ?? []))
    try settings.write(to: directory.database, owner: account.owner)
    Postmaster.removeStaleFiles(on: directory.database, socketDirectory: sockets)
    let server = try await Postmaster.start(programs, in: directory, as: account)
    logger.debug("PostgreSQL \(programs.version) runs, process \(server.process)")
    return server
  }

  /// A server that outlived the Herald which started it, or that another Herald uses.
  private func adopted() async throws(ClusterError) -> Postmaster? {
    guard let running = Postmaster.running(on: directory.database) else { return nil }
    if running.isStopping {
      _ = await Pause.until(.seconds(90)) { !running.isServer(of: directory.database) }
      return nil
    }
    return try await Postmaster.awaitReady(in: directory)
  }

  private func madeVersion() throws(ClusterError) -> Int? {
    guard ClusterFiles.entry(directory.database) != nil else { return nil }
    let text = ClusterFiles.tail(directory.database + "/PG_VERSION")
    guard let version = Int(text.filter { !$0.isWhitespace }) else {
      throw .unreadableVersion(directory: directory.database)
    }
    return version
  }

  /// Works in a draft, which a start that was interrupted leaves behind and the next one discards.
  private func initialise(
    _ programs: ServerPrograms, _ account: ServerAccount
  ) async throws(ClusterError) {
    logger.notice("Creating a PostgreSQL \(programs.version) database in \(directory.database)")
    try ClusterFiles.removeTree(directory.draft)
    try ClusterFiles.makeDirectory(directory.draft, mode: 0o700, owner: account.owner)
    let outcome = try await ChildProcess.run(
      account.command(
        programs.initdb,
        [
          "--pgdata=\(directory.draft)", "--username=\(ClusterRoles.superuser)",
          "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth-local=peer",
          "--auth-host=reject",
        ]))
    guard outcome.status == 0 else {
      throw .initialisationFailed(directory: directory.database, output: outcome.output)
    }
    guard rename(directory.draft, directory.database) == 0 else {
      throw .system("rename", directory.draft)
    }
  }
}
