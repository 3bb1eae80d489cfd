import Foundation
import Glibc

/// Herald's data directory, as far as the private PostgreSQL is concerned.
struct ClusterDirectory: Sendable, Equatable {
  /// Absolute and free of symbolic links.
  let path: String
  let owner: FileOwner

  var database: String { path + "/postgres" }
  /// Where initdb works; renamed when it is done, so that `database` is always whole.
  var draft: String { path + "/postgres.new" }
  var startLog: String { path + "/postgres-start.log" }
  /// Held by the one `serve` of the directory for as long as it lives.
  var serveLock: String { path + "/serve.lock" }
  /// Shared by all who use the running server; whoever can have it alone is the last.
  var usersLock: String { path + "/users.lock" }
  /// Held while the server is started or stopped.
  var changeLock: String { path + "/change.lock" }

  /// `HERALD_DATA_DIR`, else `/var/lib/herald` for root (PostgreSQL's user cannot enter /root), else
  /// `herald` under the user's directory for such things.
  static func standardPath(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    isRoot: Bool = SystemUser.isRoot
  ) -> String {
    func value(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    if let chosen = value("HERALD_DATA_DIR") { return chosen }
    if isRoot { return "/var/lib/herald" }
    if let home = value("XDG_DATA_HOME"), home.hasPrefix("/") { return home + "/herald" }
    return (value("HOME") ?? NSHomeDirectory()) + "/.local/share/herald"
  }

  /// Creates the directory when it is missing.
  static func prepare(_ path: String) throws(ClusterError) -> ClusterDirectory {
    try makeMissing(path)
    guard let resolved = realpath(path, nil) else { throw .system("open", path) }
    defer { free(resolved) }
    let real = String(cString: resolved)
    guard let entry = ClusterFiles.entry(real), entry.isDirectory else {
      throw .fileSystem(action: "use", path: real, reason: "it is not a directory")
    }
    if !SystemUser.isRoot, entry.owner.user != geteuid() {
      let owner = SystemUser(id: entry.owner.user)?.name ?? "\(entry.owner.user)"
      throw .belongsToOther(path: real, owner: owner)
    }
    return ClusterDirectory(path: real, owner: entry.owner)
  }

  private static func makeMissing(_ path: String) throws(ClusterError) {
    guard access(path, F_OK) != 0 else { return }
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    do {
      try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    } catch {
      throw .fileSystem(action: "create", path: parent, reason: error.localizedDescription)
    }
    // Under root, PostgreSQL's user has to pass through on the way to its own directory.
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system("create", path) }
    if SystemUser.isRoot { chmod(path, 0o711) }
  }
}
