/// Whole gzip files (RFC 1952), for those who have one in memory.
public enum Gzip {
  /// `limit` bounds all that comes out; one byte more throws, like data that is no gzip.
  public static func inflated(_ bytes: [UInt8], limit: Int) throws(HTTPFault) -> [UInt8] {
    try Inflater.inflate(bytes, limit: limit)
  }

  /// Whether data that begin like this are gzip.
  public static func isMagic(_ prefix: some Sequence<UInt8>) -> Bool {
    prefix.starts(with: [0x1F, 0x8B])
  }
}
