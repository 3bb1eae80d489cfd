/// Why the private PostgreSQL cannot be used. Each description is for the person at the terminal and
/// says what to do.
enum ClusterError: Error, Equatable {
  case alreadyServing(process: String, directory: String)
  case busy(directory: String)
  case noServerPrograms(searched: [String])
  case tooOld(version: Int, programs: String)
  case otherMajorVersion(directory: String, made: Int, found: Int, programs: String)
  case unreadableVersion(directory: String)
  case noUnprivilegedUser
  case unknownUser(id: UInt32)
  case noSetpriv
  case belongsToOther(path: String, owner: String)
  case cannotEnter(user: String, path: String)
  case fileSystem(action: String, path: String, reason: String)
  case cannotRun(program: String, reason: String)
  case initialisationFailed(directory: String, output: String)
  case startFailed(directory: String, output: String)
  case startTooSlow(directory: String, seconds: Int)
  case rolesFailed(reason: String)
}

extension ClusterError: CustomStringConvertible {
  var description: String {
    switch self {
    case .alreadyServing(let process, let directory):
      """
      Another `herald serve` (process \(process)) is using \(directory). Stop it first, or give this \
      one a directory of its own with HERALD_DATA_DIR.
      """
    case .busy(let directory):
      """
      Another Herald process is still starting or stopping the database in \(directory). Wait for it \
      and try again.
      """
    case .belongsToOther(let path, let owner):
      "\(path) belongs to user \(owner). Run Herald as that user or as root, or set HERALD_DATA_DIR."
    case .cannotEnter(let user, let path):
      """
      PostgreSQL refuses to run as root, so it runs as user \(user), who may not enter \(path). Choose \
      another directory with HERALD_DATA_DIR, or allow it: chmod o+x \(path)
      """
    case .fileSystem(let action, let path, let reason):
      "Cannot \(action) \(path): \(reason). Mend that, or choose another directory with HERALD_DATA_DIR."
    case .initialisationFailed(let directory, let output):
      "A new database could not be created in \(directory). PostgreSQL's initdb said:\n\(output)"
    case .startFailed(let directory, let output):
      "PostgreSQL did not start in \(directory). It said:\n\(output)"
    case .startTooSlow(let directory, let seconds):
      """
      PostgreSQL in \(directory) is still recovering after \(seconds) seconds. It goes on doing so; \
      its log is in \(directory)/log. Start Herald again when it is ready.
      """
    case .rolesFailed(let reason):
      "PostgreSQL runs, but its roles and database could not be set up: \(reason)"
    default: programsDescription
    }
  }

  private var programsDescription: String {
    switch self {
    case .noServerPrograms(let searched):
      """
      PostgreSQL's server programs were not found (looked in \(searched.joined(separator: ", "))). \
      Install them (Debian, Ubuntu: apt-get install postgresql), name their directory in \
      HERALD_POSTGRES_BIN, or use a PostgreSQL of your own through HERALD_DATABASE_URL.
      """
    case .tooOld(let version, let programs):
      """
      \(programs) holds PostgreSQL \(version); Herald needs \(ServerPrograms.oldestVersion) or newer. \
      Install a newer one, or name its directory in HERALD_POSTGRES_BIN.
      """
    case .otherMajorVersion(let directory, let made, let found, let programs):
      """
      \(directory) was made by PostgreSQL \(made), and \(programs) holds version \(found); one does \
      not read the other's files. Either install PostgreSQL \(made) beside it (it is then used by \
      itself, or name its directory in HERALD_POSTGRES_BIN), or move over to \(found): with \(made) \
      installed run `herald backup`, move \(directory) aside, then run `herald restore`.
      """
    case .unreadableVersion(let directory):
      """
      \(directory) is there but holds no PostgreSQL database (PG_VERSION cannot be read). Move it \
      aside, or choose another directory with HERALD_DATA_DIR.
      """
    case .noUnprivilegedUser:
      """
      PostgreSQL refuses to run as root, and there is no user `postgres` or `herald` to run it as. \
      Create one: useradd --system --shell /usr/sbin/nologin herald
      """
    case .unknownUser(let id):
      """
      User id \(id) has no name on this system (/etc/passwd), and PostgreSQL refuses to run without \
      one. Add an entry for it, or run Herald as another user.
      """
    case .noSetpriv:
      """
      PostgreSQL refuses to run as root, and `setpriv`, which would start it as another user, was not \
      found. Install util-linux, or run Herald as a user other than root.
      """
    case .cannotRun(let program, let reason):
      "\(program) could not be run: \(reason)"
    default: "The private PostgreSQL cannot be used."
    }
  }
}
