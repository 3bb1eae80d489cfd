/// Strict RFC 8259 on raw bytes.
///
/// Beyond the grammar it refuses invalid UTF-8 and lone surrogates (never repairs them), a byte
/// order mark, the character U+0000, duplicate keys (compared as bytes after unescaping), numbers
/// without a finite value, and whatever exceeds `JSONLimits`. Time is linear in the input but for
/// the keys of one object, which cost a hash each; the stack is bounded by `JSONLimits.depth`.
public enum JSONScanner {
  /// The document, or the first fault with its place and byte offset.
  public static func parse(
    _ bytes: [UInt8], limits: JSONLimits = JSONLimits()
  ) throws(JSONFault) -> JSONValue {
    var cursor = JSONCursor(bytes, limits: limits)
    let value = try cursor.value()
    try cursor.end()
    return value
  }

  /// For literals and stored text; the same rules.
  public static func parse(
    _ text: String, limits: JSONLimits = JSONLimits()
  ) throws(JSONFault) -> JSONValue {
    try parse(Array(text.utf8), limits: limits)
  }
}
