import Glibc

/// The user PostgreSQL runs as. It refuses to run as root; under any other user Herald and PostgreSQL
/// are the same user.
struct ServerAccount: Sendable, Equatable {
  let user: SystemUser
  /// The program that changes the user, when Herald is root.
  private let setpriv: String?

  var owner: FileOwner { FileOwner(user: user.id, group: user.group) }

  /// Under root: the user to whom the directory belongs already, else `postgres` (every package of
  /// PostgreSQL creates it), else `herald`. Not `nobody`, which other services share and which could
  /// then read the database; and no user is created behind the administrator's back.
  static func choose(for directory: ClusterDirectory) throws(ClusterError) -> ServerAccount {
    let database = ClusterFiles.entry(directory.database)
    guard SystemUser.isRoot else {
      guard let user = SystemUser(id: geteuid()) else { throw .unknownUser(id: geteuid()) }
      if let owner = database?.owner.user, owner != user.id {
        let name = SystemUser(id: owner)?.name ?? "\(owner)"
        throw .belongsToOther(path: directory.database, owner: name)
      }
      return ServerAccount(user: user, setpriv: nil)
    }
    let places = ["/usr/bin/setpriv", "/bin/setpriv", "/usr/sbin/setpriv"]
    guard let setpriv = places.first(where: { access($0, X_OK) == 0 }) else { throw .noSetpriv }
    for id in [database?.owner.user, directory.owner.user] {
      guard let id, id != 0 else { continue }
      guard let user = SystemUser(id: id) else { throw .unknownUser(id: id) }
      return ServerAccount(user: user, setpriv: setpriv)
    }
    guard let user = SystemUser(named: "postgres") ?? SystemUser(named: "herald") else {
      throw .noUnprivilegedUser
    }
    return ServerAccount(user: user, setpriv: setpriv)
  }

  /// The command line that runs a program as this user.
  func command(_ program: String, _ arguments: [String]) -> [String] {
    guard let setpriv else { return [program] + arguments }
    return [
      setpriv, "--reuid=\(user.id)", "--regid=\(user.group)", "--clear-groups", "--inh-caps=-all",
      program,
    ] + arguments
  }

  /// Throws unless the user may pass through the directory.
  func requireEntry(to path: String) async throws(ClusterError) {
    guard setpriv != nil else { return }
    let outcome = try await ChildProcess.run(command("/bin/sh", ["-c", "test -x \"$0\"", path]))
    if outcome.status == 0 { return }
    throw .cannotEnter(user: user.name, path: firstClosed(on: path) ?? path)
  }

  /// The topmost directory on the way that is closed to the user.
  private func firstClosed(on path: String) -> String? {
    var place = ""
    for name in path.split(separator: "/") {
      place += "/" + name
      guard let entry = ClusterFiles.entry(place) else { continue }
      let bit: mode_t =
        entry.owner.user == user.id ? 0o100 : entry.owner.group == user.group ? 0o010 : 0o001
      if entry.mode & bit == 0 { return place }
    }
    return nil
  }
}
