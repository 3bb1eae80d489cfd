import Glibc

/// The configuration files of the private PostgreSQL, written anew before each start.
struct ServerSettings: Sendable {
  let socketDirectory: String
  /// Bytes this process may use: the machine's, or less in a container.
  let memory: Int
  /// System users who may connect.
  let users: [String]

  /// Fixed numbers are for a database that shares its machine with Herald. PostgreSQL's log carries
  /// neither statements nor row values, because those are personal data.
  var main: String {
    """
    # Written by Herald before each start; changes here are lost. Settings of your own go into
    # local.conf beside this file, or use ALTER SYSTEM.
    listen_addresses = ''
    unix_socket_directories = '\(quoted(socketDirectory))'
    unix_socket_permissions = 0700
    max_connections = 100
    max_locks_per_transaction = 256

    shared_buffers = '\(megabytes(memory / 8, 64, 4096))MB'
    effective_cache_size = '\(megabytes(memory / 2, 128, 65_536))MB'
    work_mem = '\(megabytes(memory / 512, 4, 64))MB'
    maintenance_work_mem = '\(megabytes(memory / 32, 32, 1024))MB'

    fsync = on
    full_page_writes = on
    synchronous_commit = on
    wal_compression = on
    min_wal_size = '256MB'
    max_wal_size = '\(megabytes(memory / 4, 1024, 4096))MB'
    checkpoint_timeout = '15min'
    checkpoint_completion_target = 0.9

    random_page_cost = 1.1
    jit = off
    autovacuum_vacuum_cost_limit = 1000
    autovacuum_naptime = '20s'
    timezone = 'UTC'
    lc_messages = 'C'

    logging_collector = on
    log_directory = 'log'
    log_filename = 'postgresql-%a.log'
    log_rotation_age = '1d'
    log_rotation_size = 0
    log_truncate_on_rotation = on
    log_timezone = 'UTC'
    log_line_prefix = '%m [%p] %q%u@%d '
    log_error_verbosity = terse
    log_min_error_statement = panic
    log_statement = 'none'
    log_checkpoints = off

    include_if_exists = 'local.conf'

    """
  }

  /// `peer`: the kernel vouches for the user at the other end of the socket, so there is no password
  /// to keep, and a process of another user is refused even if it found a way to the socket.
  var access: String {
    """
    # Written by Herald before each start.
    local all all peer map=herald

    """
  }

  /// Root is always let in: it could become any of the others.
  var identities: String {
    var text = "# Written by Herald before each start.\n"
    for user in Set(users + ["root"]).sorted() {
      for role in [ClusterRoles.superuser, ClusterRoles.owner, ClusterRoles.application] {
        text += "herald \"\(user)\" \(role)\n"
      }
    }
    return text
  }

  func write(to database: String, owner: FileOwner) throws(ClusterError) {
    try ClusterFiles.replace(database + "/postgresql.conf", with: main, owner: owner)
    try ClusterFiles.replace(database + "/pg_hba.conf", with: access, owner: owner)
    try ClusterFiles.replace(database + "/pg_ident.conf", with: identities, owner: owner)
  }

  private func quoted(_ text: String) -> String {
    text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
  }

  private func megabytes(_ bytes: Int, _ least: Int, _ most: Int) -> Int {
    min(most, max(least, bytes / 1_048_576))
  }

  static func availableMemory() -> Int {
    let pages = sysconf(Int32(_SC_PHYS_PAGES))
    let physical = pages.multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE))).partialValue
    let limit = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
      .compactMap { Int(ClusterFiles.tail($0).filter { !$0.isWhitespace }) }
      .min()
    return max(0, min(physical, limit ?? physical))
  }
}
