/// The schema's history, embedded in the binary. Files are forward-only and never edited once
/// released: a database remembers the checksum of each.
public enum Migrations {
  /// (file name without extension, SQL text), in order.
  public static var all: [(name: String, sql: String)] { [] }
}
