import Foundation
import Glibc
import Logging

/// The private PostgreSQL of a Herald without `HERALD_DATABASE_URL`: it lies in the data directory
/// and listens on a Unix socket only.
///
/// The server is its own process and outlives a Herald that was killed; the next one adopts it. All
/// Herald processes of a data directory share it: the first starts it, and the last to leave stops
/// it, so that a command may begin before `serve` and end after it.
actor EmbeddedCluster {
  enum Role: Sendable {
    /// At most one at a time for each data directory.
    case serve
    /// Any number, beside a `serve` or without.
    case command
  }

  /// For migrations: the role that owns the tables.
  nonisolated let ownerURL: String
  /// For everything else: may not change the schema.
  nonisolated let appURL: String
  /// The server's process, for tests and `doctor`.
  nonisolated let process: pid_t

  private let directory: ClusterDirectory
  private let locks: ClusterLocks
  private var isClosed = false

  private init(server: Postmaster, directory: ClusterDirectory, locks: ClusterLocks) {
    self.directory = directory
    self.locks = locks
    process = server.process
    ownerURL = ClusterRoles.url(
      role: ClusterRoles.owner, socketDirectory: server.socketDirectory)
    appURL = ClusterRoles.url(
      role: ClusterRoles.application, socketDirectory: server.socketDirectory)
  }

  /// Makes the server run, creating it in an empty directory, and returns when it takes connections.
  /// The first time takes some seconds. To be followed by `close`.
  static func open(
    dataDirectory: String = ClusterDirectory.standardPath(), role: Role,
    environment: [String: String] = ProcessInfo.processInfo.environment,
    logger: Logger = Logger(label: "herald.cluster")
  ) async throws(ClusterError) -> EmbeddedCluster {
    let directory = try ClusterDirectory.prepare(dataDirectory)
    let locks = try ClusterLocks(directory)
    if role == .serve { try locks.takeServe() }
    try await locks.beginChange()
    defer { locks.endChange() }
    do {
      let preparation = ClusterPreparation(
        directory: directory, environment: environment, logger: logger)
      let server = try await preparation.serverWithRoles()
      locks.join()
      return EmbeddedCluster(server: server, directory: directory, locks: locks)
    } catch {
      await stopIfUnused(directory, locks)
      throw error
    }
  }

  /// Leaves the server, and stops it in good order when nobody else uses it. Returns when it has
  /// stopped. Harmless when repeated.
  func close() async {
    guard !isClosed else { return }
    isClosed = true
    // Without the lock (another process hangs in a start or stop) the server is left running rather
    // than stopped under somebody.
    guard (try? await locks.beginChange()) != nil else { return locks.releaseAll() }
    locks.leave()
    await Self.stopIfUnused(directory, locks)
    locks.releaseAll()
  }

  private static func stopIfUnused(_ directory: ClusterDirectory, _ locks: ClusterLocks) async {
    guard locks.isLast() else { return }
    if let server = Postmaster.running(on: directory.database) {
      await server.stop(on: directory.database)
    }
    SocketDirectory.discard(of: directory)
  }
}
