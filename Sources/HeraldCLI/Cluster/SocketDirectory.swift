import Glibc

/// Where PostgreSQL's Unix socket lies. Only the server's user and root may enter.
enum SocketDirectory {
  /// The path of a Unix socket has at most 107 bytes, of which "/.s.PGSQL.5432" takes 14.
  static let longestPath = 107 - 14

  /// `socket` in the data directory; where that would be too long, a short directory elsewhere with
  /// a random name, which `socket-directory` in the data directory remembers.
  static func prepare(
    in directory: ClusterDirectory, for account: ServerAccount
  ) throws(ClusterError) -> String {
    let usual = directory.path + "/socket"
    if usual.utf8.count <= longestPath {
      if isUsable(usual, by: account) { return usual }
      rmdir(usual)
      try ClusterFiles.makeDirectory(usual, mode: 0o700, owner: account.owner)
      return usual
    }
    let remembered = ClusterFiles.tail(pointer(directory))
    if !remembered.isEmpty, isUsable(remembered, by: account) { return remembered }
    let place = try makeShort(for: account)
    try ClusterFiles.replace(pointer(directory), with: place, owner: directory.owner)
    return place
  }

  /// Removes a directory outside the data directory. For when the server has stopped.
  static func discard(of directory: ClusterDirectory) {
    let remembered = ClusterFiles.tail(pointer(directory))
    guard !remembered.isEmpty else { return }
    rmdir(remembered)
    unlink(pointer(directory))
  }

  private static func pointer(_ directory: ClusterDirectory) -> String {
    directory.path + "/socket-directory"
  }

  /// Directories in /tmp can be planted: owner and mode are checked, links are not followed.
  private static func isUsable(_ path: String, by account: ServerAccount) -> Bool {
    guard let entry = ClusterFiles.entry(path) else { return false }
    return entry.isDirectory && entry.mode == 0o700 && entry.owner.user == account.user.id
  }

  private static func makeShort(for account: ServerAccount) throws(ClusterError) -> String {
    for parent in SystemUser.isRoot ? ["/run", "/tmp"] : ["/tmp"] {
      var template = Array("\(parent)/herald.XXXXXX".utf8CString)
      guard let made = mkdtemp(&template) else { continue }
      let path = String(cString: made)
      if SystemUser.isRoot, chown(path, account.user.id, account.user.group) != 0 {
        throw .system("change the owner of", path)
      }
      return path
    }
    throw .system("create a directory in", "/tmp")
  }
}
