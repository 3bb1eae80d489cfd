/// Something statements can be run on: a transaction, or a connection in autocommit.
///
/// Lives inside the closure it was given to and works on that closure's thread only.
public protocol Queryable: AnyObject {
  @discardableResult
  func query(_ sql: SQL) throws(PostgresError) -> Rows

  /// - Returns: the number of affected rows.
  @discardableResult
  func execute(_ sql: SQL) throws(PostgresError) -> Int
}

extension Queryable {
  /// The first row, if any. Rows after it are not an error: bound the statement.
  public func one(_ sql: SQL) throws(PostgresError) -> Row? {
    try query(sql).first
  }

  @discardableResult
  public func execute(_ sql: SQL) throws(PostgresError) -> Int {
    try query(sql).affected
  }
}
