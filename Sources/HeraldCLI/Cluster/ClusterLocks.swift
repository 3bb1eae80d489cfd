import Glibc

/// Who uses a data directory, between processes.
struct ClusterLocks: Sendable {
  private let directory: ClusterDirectory
  private let serve: FileLock
  private let users: FileLock
  private let change: FileLock

  init(_ directory: ClusterDirectory) throws(ClusterError) {
    self.directory = directory
    serve = try FileLock(path: directory.serveLock, owner: directory.owner)
    users = try FileLock(path: directory.usersLock, owner: directory.owner)
    change = try FileLock(path: directory.changeLock, owner: directory.owner)
  }

  /// Becomes the directory's one `serve`.
  func takeServe() throws(ClusterError) {
    guard serve.attempt(.exclusive) else {
      throw .alreadyServing(process: serve.note, directory: directory.path)
    }
    serve.note = "\(getpid())"
  }

  /// From here to `endChange` no other process starts or stops the server. Whoever does needs at
  /// most some seconds, unless the server recovers from a crash.
  func beginChange() async throws(ClusterError) {
    guard await change.acquire(.exclusive, within: Postmaster.startLimit) else {
      throw .busy(directory: directory.path)
    }
  }

  func endChange() { change.release() }

  /// Counts this process among the server's users. Only between `beginChange` and `endChange`, like
  /// the next two: nobody else then holds the lock alone.
  func join() { _ = users.attempt(.shared) }

  func leave() { users.release() }

  /// Whether no process uses the server, this one set aside.
  func isLast() -> Bool {
    defer { users.release() }
    return users.attempt(.exclusive)
  }

  func releaseAll() {
    users.release()
    serve.release()
    change.release()
  }
}
