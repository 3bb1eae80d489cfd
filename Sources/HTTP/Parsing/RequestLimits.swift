/// What the parser lets through; each cap has a status of its own.
public struct RequestLimits: Sendable {
  /// Bytes of the request line without its CRLF; more is a 414.
  public var requestLineBytes = 8 * 1024
  /// Bytes of all header fields with their line ends; more is a 431. Trailers have it anew.
  public var headerBytes = 32 * 1024
  /// Header fields; more is a 431.
  public var headerCount = 100
  /// Bytes of one chunk-size line with its extensions.
  public var chunkLineBytes = 256
  /// Bytes of all chunk extensions of a body.
  public var chunkExtensionBytes = 16 * 1024
  /// Empty lines before a request line.
  public var leadingEmptyLines = 4

  public init() {}
}
