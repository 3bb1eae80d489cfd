import Foundation
import Glibc
import HTTP
import Herald
import Logging

/// What `herald doctor` looks at outside the database.
struct MachineCheckup: Sendable {
  let configuration: Configuration

  func findings() -> [Finding] { directory() + [descriptors()] + secrets() }

  private func directory() -> [Finding] {
    let path = configuration.dataDirectory
    guard let entry = ClusterFiles.entry(path) else {
      let parent = nearestParent(of: path)
      return access(parent, W_OK | X_OK) == 0
        ? [.ok("data directory", "\(path) will be made")] + space(parent)
        : [
          .fail(
            "data directory", "\(path) is missing and \(parent) cannot be written",
            "Make it for the user Herald runs as, or choose another with HERALD_DATA_DIR.")
        ]
    }
    guard access(path, R_OK | W_OK | X_OK) == 0 else {
      return [
        .fail(
          "data directory", "\(path) cannot be written",
          "Give it to the user Herald runs as (chown), or choose another with HERALD_DATA_DIR.")
      ]
    }
    var findings: [Finding] = [.ok("data directory", path)]
    if entry.mode & 0o022 != 0 {
      findings.append(
        .warn("data directory", "others may write into \(path)", "Run: chmod go-w \(path)"))
    }
    let key = path + "/first-admin-key"
    if ClusterFiles.entry(key) != nil {
      findings.append(
        .warn(
          "data directory", "\(key) is still there", "Keep the key elsewhere and delete the file."))
    }
    return findings + space(path)
  }

  private func nearestParent(of path: String) -> String {
    var parent = URL(fileURLWithPath: path).deletingLastPathComponent()
    while parent.path != "/", access(parent.path, F_OK) != 0 { parent.deleteLastPathComponent() }
    return parent.path
  }

  private func space(_ path: String) -> [Finding] {
    var system = statvfs()
    guard statvfs(path, &system) == 0 else { return [] }
    let free = Double(system.f_bavail) * Double(system.f_frsize)
    let all = max(1, Double(system.f_blocks) * Double(system.f_frsize))
    let share = Int((free / all * 100).rounded())
    let shown = "\(Int(free / 1e6)) MB (\(share) %) free on \(path)"
    let remedy = "Free some space or move the data directory to a larger disk."
    if free < 256e6 { return [.fail("disk", shown, remedy)] }
    if free < 2e9 || share < 5 { return [.warn("disk", shown, remedy)] }
    return [.ok("disk", shown)]
  }

  private func descriptors() -> Finding {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return .warn("descriptors", "the limit cannot be read", "Look at `ulimit -Hn`.")
    }
    return limit.rlim_max < 4096
      ? .warn(
        "descriptors", "at most \(limit.rlim_max) files and connections at a time",
        "Raise it: LimitNOFILE= in the systemd unit, `ulimit -Hn` in a shell.")
      : .ok("descriptors", "at most \(limit.rlim_max)")
  }

  private func secrets() -> [Finding] {
    guard configuration.secretsKey == nil else {
      return [.ok("secrets key", "from HERALD_SECRETS_KEY")]
    }
    let path = configuration.dataDirectory + "/secrets.key"
    guard let entry = ClusterFiles.entry(path) else {
      return [.ok("secrets key", "will be made in \(path)")]
    }
    if entry.mode & 0o077 != 0 {
      return [.fail("secrets key", "others may read \(path)", "Run: chmod 600 \(path)")]
    }
    return [
      .warn(
        "secrets key", "lies beside the data, in \(path)",
        "Keep a copy apart from the backups: without it senders lose their secrets. Or set HERALD_SECRETS_KEY."
      )
    ]
  }

  /// Free, or Herald's already.
  func port() async -> Finding {
    let logger = Logger(label: "herald") { _ in SwiftLogNoOpLogHandler() }
    var server = ServerConfiguration()
    server.host = configuration.listenHost
    server.port = configuration.listenPort
    server.queues = 1
    let address = "\(configuration.listenHost):\(configuration.listenPort)"
    do {
      let probe = try Server(routes: [], configuration: server, logger: logger)
      _ = try probe.start()
      await probe.shutdown(grace: .zero)
      return .ok("port", "\(address) is free")
    } catch {
      if await isHerald(logger) { return .ok("port", "Herald serves \(address)") }
      return .fail(
        "port", Sentence(error).description,
        "See who listens: ss -ltnp 'sport = :\(configuration.listenPort)'.")
    }
  }

  private func isHerald(_ logger: Logger) async -> Bool {
    let wildcards = ["0.0.0.0": "127.0.0.1", "::": "[::1]"]
    let host = configuration.listenHost
    let name = wildcards[host] ?? (host.contains(":") ? "[\(host)]" : host)
    let client = HTTPClient(ClientConfiguration(allowPrivateAddresses: true), logger: logger)
    let outcome = await client.send(
      ClientRequest(
        url: "http://\(name):\(configuration.listenPort)/openapi.json", timeout: .seconds(5),
        maxResponseBytes: 4096))
    await client.shutdown(grace: .zero)
    guard case .response(let response) = outcome, response.status == 200 else { return false }
    return String(decoding: response.body, as: UTF8.self).contains("\"title\":\"Herald\"")
  }
}
