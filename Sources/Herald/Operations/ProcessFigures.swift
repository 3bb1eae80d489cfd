import Foundation
import Glibc

/// What the kernel says of this process. What cannot be read is nil.
struct ProcessFigures: Sendable {
  let residentBytes: Int?
  let virtualBytes: Int?
  let openDescriptors: Int?
  let descriptorLimit: Int?
  let threads: Int?
  /// User and system time.
  let processorSeconds: Double?
  /// Seconds since 1970.
  let startedAt: Double?

  static func read() -> ProcessFigures {
    // Field 2 of /proc/self/stat, the name, may hold spaces: the rest is counted from its end.
    let stat = text("/proc/self/stat")
    let fields = stat.lastIndex(of: ")").map {
      stat[stat.index(after: $0)...].split(separator: " ")
    }
    func field(_ number: Int) -> Int? {
      guard let fields, fields.indices.contains(number - 3) else { return nil }
      return Int(fields[number - 3])
    }
    let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    let page = sysconf(Int32(_SC_PAGESIZE))
    var limit = rlimit()
    let hasLimit = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
    let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    return ProcessFigures(
      residentBytes: field(24).map { $0.multipliedReportingOverflow(by: page).partialValue },
      virtualBytes: field(23),
      // Reading the directory takes a descriptor itself.
      openDescriptors: descriptors.map { max(0, $0 - 1) },
      descriptorLimit: hasLimit ? Int(clamping: limit.rlim_cur) : nil,
      threads: field(20),
      processorSeconds: field(14).flatMap { user in
        field(15).map { (Double(user) + Double($0)) / ticks }
      },
      startedAt: field(22).flatMap { started in bootedAt.map { $0 + Double(started) / ticks } })
  }

  private static let bootedAt: Double? = text("/proc/stat").split(separator: "\n")
    .first { $0.hasPrefix("btime ") }
    .flatMap { Double($0.dropFirst("btime ".count)) }

  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }
}
