/// What a key may do. Each verb of the API lists the roles it takes.
public enum Role: String, Sendable, CaseIterable {
  /// Everything but approving what its principal touched.
  case admin
  /// Writes and submits plans and what they are made of.
  case `operator`
  case approver
  /// Sends events and identifies, reads nothing.
  case ingest
  /// Reads, personal fields masked.
  case analyst
}
