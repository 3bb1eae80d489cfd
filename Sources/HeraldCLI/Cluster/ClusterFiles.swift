import Foundation
import Glibc

/// Whom new files are given to. Only root gives files away; for everyone else they are their own.
struct FileOwner: Sendable, Equatable {
  let user: uid_t
  let group: gid_t

  func claim(_ descriptor: Int32) {
    if SystemUser.isRoot { _ = fchown(descriptor, user, group) }
  }
}

extension ClusterError {
  /// The error of the system call that has just failed.
  static func system(_ action: String, _ path: String) -> ClusterError {
    .fileSystem(action: action, path: path, reason: String(cString: strerror(errno)))
  }
}

enum ClusterFiles {
  struct Entry {
    let owner: FileOwner
    let isDirectory: Bool
    let mode: mode_t
  }

  /// What lies at the path; a symbolic link is not followed.
  static func entry(_ path: String) -> Entry? {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    return Entry(
      owner: FileOwner(user: status.st_uid, group: status.st_gid),
      isDirectory: status.st_mode & S_IFMT == S_IFDIR, mode: status.st_mode & 0o7777)
  }

  static func makeDirectory(
    _ path: String, mode: mode_t, owner: FileOwner
  ) throws(ClusterError) {
    guard mkdir(path, mode) == 0 else { throw .system("create", path) }
    guard chmod(path, mode) == 0 else { throw .system("change the mode of", path) }
    if SystemUser.isRoot, chown(path, owner.user, owner.group) != 0 {
      throw .system("change the owner of", path)
    }
  }

  /// At most the last 8 KiB of a text file, or nothing.
  static func tail(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    let end = lseek(descriptor, 0, SEEK_END)
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = pread(descriptor, &bytes, bytes.count, max(0, end - bytes.count))
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  /// Replaces a file in one step. The old file may be anything, also a link that somebody planted:
  /// it is replaced, never written through.
  static func replace(_ path: String, with text: String, owner: FileOwner) throws(ClusterError) {
    let draft = path + ".new"
    unlink(draft)
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("create", draft) }
    let bytes = Array(text.utf8)
    let written = write(descriptor, bytes, bytes.count)
    owner.claim(descriptor)
    let isSafe = fsync(descriptor) == 0
    close(descriptor)
    guard written == bytes.count, isSafe else { throw .system("write", draft) }
    guard rename(draft, path) == 0 else { throw .system("replace", path) }
  }

  static func removeTree(_ path: String) throws(ClusterError) {
    do {
      if entry(path) != nil { try FileManager.default.removeItem(atPath: path) }
    } catch {
      throw .fileSystem(action: "remove", path: path, reason: "\(error)")
    }
  }
}
