/// Everything that goes wrong between Swift and PostgreSQL.
///
/// Carries the server's primary message and the names of constraint and table, never its DETAIL or
/// HINT: those quote row values, and row values are personal data.
public struct PostgresError: Error, Sendable, Equatable {
  public enum Kind: String, Sendable {
    /// PostgreSQL refused the statement; the connection is still good.
    case server
    /// No connection could be made, or it broke while no COMMIT was on its way: nothing was committed
    /// by this transaction.
    case connectionLost
    /// A statement ran into its time limit, by PostgreSQL's clock or by ours; nothing was committed
    /// by this transaction.
    case timeout
    /// The connection broke, or the deadline passed, after COMMIT was sent and before its answer
    /// came. Only a key written by the transaction can tell.
    case outcomeUnknown
    /// No connection of the pool became free in time; nothing was sent.
    case poolTimeout
    /// A parameter or statement that cannot be sent faithfully; nothing was sent.
    case encoding
    /// A value that came back is not of the type asked for.
    case decoding
    /// The waiting task was cancelled, or the pool closed, before anything was sent.
    case cancelled
  }

  public var kind: Kind
  public var sqlState: String?
  public var constraint: String?
  public var table: String?
  public var message: String

  public init(
    kind: Kind, sqlState: String? = nil, constraint: String? = nil, table: String? = nil,
    message: String
  ) {
    self.kind = kind
    self.sqlState = sqlState
    self.constraint = constraint
    self.table = table
    self.message = message
  }

  /// Whether a unique constraint or index of that name was violated (of any name when `nil`).
  public func isUniqueViolation(of constraint: String? = nil) -> Bool {
    sqlState == "23505" && (constraint == nil || constraint == self.constraint)
  }

  public func isForeignKeyViolation(of constraint: String? = nil) -> Bool {
    sqlState == "23503" && (constraint == nil || constraint == self.constraint)
  }

  public func isCheckViolation(of constraint: String? = nil) -> Bool {
    sqlState == "23514" && (constraint == nil || constraint == self.constraint)
  }

  /// The same transaction may succeed when run again from its start: serialization failure,
  /// deadlock, a row on its way to a partition while another was made for it, or a prepared plan that a
  /// schema change has made stale.
  public var isRetryable: Bool {
    switch sqlState {
    case "40001", "40P01": kind == .server
    case "23514": kind == .server && message.contains("partition constraint")
    default: isStalePlan
    }
  }

  /// PostgreSQL cannot be used just now; the caller should say so and come back later.
  public var isUnavailable: Bool {
    switch kind {
    case .connectionLost, .timeout, .outcomeUnknown, .poolTimeout: return true
    case .encoding, .decoding, .cancelled: return false
    case .server:
      guard let sqlState else { return false }
      return sqlState.hasPrefix("53") || sqlState.hasPrefix("58") || sqlState.hasPrefix("57P")
    }
  }

  /// The prepared statement no longer fits the schema ("cached plan must not change result type"),
  /// or somebody discarded it.
  var isStalePlan: Bool {
    switch sqlState {
    case "26000": kind == .server
    case "0A000": kind == .server && message.contains("cached plan")
    default: false
    }
  }
}

extension PostgresError: CustomStringConvertible {
  public var description: String {
    var text = "\(kind.rawValue)"
    if let sqlState { text += " \(sqlState)" }
    text += ": \(message)"
    if let constraint { text += " (constraint \(constraint))" }
    return text
  }
}
