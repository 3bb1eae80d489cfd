import Postgres

/// The lock between those who write what hangs on users and those who merge users.
///
/// Whoever resolves users and then writes their rows shares it, from before the first look at
/// `identities` or `user_aliases` to the end of the transaction: nobody is merged away in between. A
/// merge, a move of an identity and an undo hold it alone. Take it before any row of a user is
/// locked, and alone from the start where that may be needed: two sharers that both want it alone
/// wait for each other, which PostgreSQL ends by undoing one of them.
enum IdentityLock {
  static func share(in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock_shared(hashtext('herald_identities'))")
  }

  /// Waits for all who share it, and keeps new ones waiting meanwhile: the transaction must be short.
  static func holdAlone(in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('herald_identities'))")
  }
}
