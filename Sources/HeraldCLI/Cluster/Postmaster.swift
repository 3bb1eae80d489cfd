import Foundation
import Glibc

/// The running server of a database directory, as its `postmaster.pid` describes it. The format is
/// that of PostgreSQL's miscadmin.h; pg_ctl reads it too.
struct Postmaster: Sendable, Equatable {
  let process: pid_t
  let socketDirectory: String
  /// Seconds since 1970.
  let startedAt: Int
  let isReady: Bool
  let isStopping: Bool

  init?(file text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let first = lines.first, let process = pid_t(first), process > 0 else { return nil }
    func line(_ number: Int) -> String {
      lines.count > number ? lines[number].trimmingCharacters(in: .whitespaces) : ""
    }
    self.process = process
    startedAt = Int(line(2)) ?? 0
    socketDirectory = line(4)
    isReady = line(7) == "ready"
    isStopping = line(7) == "stopping"
  }

  /// The server that runs on `database` now, whoever started it, or nil. A file that names a process
  /// which has gone, or a process of another program that has got the number since, does not count.
  static func running(on database: String) -> Postmaster? {
    guard let found = Postmaster(file: ClusterFiles.tail(file(database))),
      found.isServer(of: database)
    else { return nil }
    return found
  }

  static func file(_ database: String) -> String { database + "/postmaster.pid" }

  /// Removes the files of a server that has gone, when their process number belongs to another
  /// program now: PostgreSQL would take that program for a running server. Two servers on one
  /// database stay impossible: its shared memory, found by the directory's inode, is still checked.
  static func removeStaleFiles(on database: String, socketDirectory: String) {
    guard let left = Postmaster(file: ClusterFiles.tail(file(database))),
      !left.isServer(of: database), kill(left.process, 0) == 0 || errno == EPERM
    else { return }
    unlink(file(database))
    unlink(socketDirectory + "/.s.PGSQL.5432.lock")
    unlink(socketDirectory + "/.s.PGSQL.5432")
  }

  /// By its command line, which everybody may read (its directory and program only its own user and
  /// those who may trace it, which root in a container may not). It is empty for a zombie.
  func isServer(of database: String) -> Bool {
    waitpid(process, nil, WNOHANG)  // Reaps it if it was this process's child and has ended.
    let descriptor = open("/proc/\(process)/cmdline", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = read(descriptor, &bytes, bytes.count)
    let words = bytes.prefix(max(0, count)).split(separator: 0)
      .map { String(decoding: $0, as: UTF8.self) }
    return words.first?.hasSuffix("/postgres") == true && words.contains(database)
  }

  /// Asks for an orderly end and waits for it; open transactions are rolled back. One that has not
  /// ended after a minute is ended as by a crash, which loses nothing that was committed.
  func stop(on database: String) async {
    kill(process, SIGINT)
    if await Pause.until(.seconds(60), { !isServer(of: database) }) { return }
    kill(process, SIGQUIT)
    _ = await Pause.until(.seconds(10)) { !isServer(of: database) }
  }
}
