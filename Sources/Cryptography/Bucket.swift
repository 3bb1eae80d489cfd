/// Salted, uniform, reproducible assignment of a unit (a user, mostly) to one of 10,000 buckets.
public enum Bucket {
  public static let count = 10_000

  /// 0…9999. With h the first 8 bytes, big endian, of SHA-256(salt ‖ 0x1F ‖ unit) over UTF-8, the
  /// bucket is ⌊h × 10000 / 2^64⌋. Never change this: it decides arms of running experiments.
  public static func of(salt: String, unit: String) -> Int {
    var hash = SHA256()
    hash.update(salt.utf8)
    hash.update(0x1F)
    hash.update(unit.utf8)
    let head = hash.finalize().prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int(head.multipliedFullWidth(by: UInt64(count)).high)
  }
}
