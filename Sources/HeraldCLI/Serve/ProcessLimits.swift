import Glibc

/// What a server asks of the system for itself.
enum ProcessLimits {
  /// More descriptors than anybody needs: some systems allow a thousand million.
  private static let mostDescriptors = rlim_t(1_048_576)

  /// As many descriptors as are allowed, and no core dumps: memory holds personal data and keys.
  /// What cannot be had is left as it is.
  static func apply() {
    let descriptors = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    if getrlimit(descriptors, &limit) == 0 {
      limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, mostDescriptors))
      setrlimit(descriptors, &limit)
    }
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  }
}
