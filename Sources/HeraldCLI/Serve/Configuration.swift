import Foundation
import HTTP
import Herald

/// What a `herald` command works with: flags, then the environment, then a file of `NAME=value`
/// lines. All that is wrong is said at once.
struct Configuration: Sendable {
  var listenHost = "127.0.0.1"
  var listenPort = 8080
  /// Absent: the private cluster of the data directory.
  var databaseURL: String?
  /// The owner's, for migrations; the same as `databaseURL` when absent.
  var migrateURL: String?
  var dataDirectory: String
  var adminKey: String?
  var secretsKey: SecretsKey?
  var roles: Set<Role> = [.api, .worker]
  var logLevel = "info"
  var logFormat: LogFormat
  var allowPrivateEndpoints = false
  var trustedProxies: [AddressRange] = []
  /// Where people reach this server, without a slash at the end.
  var publicURL: String?
  var workers = DispatchSettings().workers
  var poolSize = 16
  var leaseSeconds = DispatchSettings().leaseSeconds
  var trackingBatchKB = TrackingLimits().batchBytes >> 10
  var trackingMessageKB = TrackingLimits().messageBytes >> 10

  /// A sentence for each variable that begins with HERALD_ and is none of these.
  private(set) var unknownNames: [String] = []

  enum Role: String, CaseIterable, Sendable { case api, worker }
  enum LogFormat: String, CaseIterable, Sendable { case text, json }

  struct Faults: Error, CustomStringConvertible {
    let all: [String]
    var description: String {
      "The configuration has mistakes:\n" + all.map { "  - \($0)" }.joined(separator: "\n")
    }
  }

  init(
    flags: [String: String] = [:],
    environment: [String: String] = ProcessInfo.processInfo.environment,
    isTerminal: Bool = isatty(1) == 1
  ) throws {
    var faults: [String] = []
    let file = Self.read(flags["HERALD_CONFIG"] ?? environment["HERALD_CONFIG"], &faults)
    var known: Set<String> = []
    func value(_ name: String) -> String? {
      known.insert(name)
      let found = flags[name] ?? environment[name] ?? file[name]
      return found.flatMap { $0.isEmpty ? nil : $0 }
    }
    dataDirectory = value("HERALD_DATA_DIR") ?? ClusterDirectory.standardPath()
    logFormat = isTerminal ? .text : .json
    databaseURL = value("HERALD_DATABASE_URL")
    migrateURL = value("HERALD_MIGRATE_DATABASE_URL")
    if let text = value("HERALD_LISTEN") {
      let address = Self.address(text)
      if let address {
        (listenHost, listenPort) = address
      } else {
        faults.append("HERALD_LISTEN must be host:port, like 127.0.0.1:8080; it is '\(text)'.")
      }
    }
    if let key = value("HERALD_ADMIN_KEY") {
      if key.hasPrefix("hk_"), key.utf8.count >= 20 {
        adminKey = key
      } else {
        faults.append("HERALD_ADMIN_KEY must begin with hk_ and have at least 20 characters.")
      }
    }
    if let text = value("HERALD_SECRETS_KEY") {
      secretsKey = SecretsKey(text: text)
      if secretsKey == nil {
        faults.append(
          "HERALD_SECRETS_KEY must be 32 bytes as hex or base64; make one with `openssl rand -hex 32`."
        )
      }
    }
    if let text = value("HERALD_ROLES") {
      let names = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      roles = Set(names.compactMap(Role.init(rawValue:)))
      if roles.count != names.count || roles.isEmpty {
        faults.append("HERALD_ROLES takes api, worker or both; it is '\(text)'.")
      }
    }
    if let text = value("HERALD_LOG_LEVEL") {
      logLevel = text.lowercased()
      if !["trace", "debug", "info", "notice", "warning", "error", "critical"].contains(logLevel) {
        faults.append(
          "HERALD_LOG_LEVEL takes trace, debug, info, notice, warning, error or critical.")
      }
    }
    if let text = value("HERALD_LOG_FORMAT") {
      if let format = LogFormat(rawValue: text) {
        logFormat = format
      } else {
        faults.append("HERALD_LOG_FORMAT takes text or json; it is '\(text)'.")
      }
    }
    if let text = value("HERALD_ALLOW_PRIVATE_ENDPOINTS") {
      switch text.lowercased() {
      case "1", "true", "yes", "on": allowPrivateEndpoints = true
      case "0", "false", "no", "off": allowPrivateEndpoints = false
      default: faults.append("HERALD_ALLOW_PRIVATE_ENDPOINTS takes true or false.")
      }
    }
    for text in (value("HERALD_TRUSTED_PROXIES") ?? "").split(separator: ",") {
      let text = text.trimmingCharacters(in: .whitespaces)
      if let range = AddressRange(text) {
        trustedProxies.append(range)
      } else {
        faults.append(
          "HERALD_TRUSTED_PROXIES takes addresses and ranges like 10.0.0.0/8; '\(text)' is none.")
      }
    }
    if let text = value("HERALD_PUBLIC_URL") {
      publicURL = Self.publicURL(text)
      if publicURL == nil {
        faults.append(
          "HERALD_PUBLIC_URL must be like https://news.example.com, perhaps with a path, and without "
            + "query; it is '\(text)'.")
      }
    }
    for (name, path, most) in [
      ("HERALD_WORKERS", \Configuration.workers, 200), ("HERALD_POOL_SIZE", \.poolSize, 200),
      ("HERALD_LEASE_SECONDS", \.leaseSeconds, 200),
      ("HERALD_TRACKING_BATCH_KB", \.trackingBatchKB, TrackingLimits.bodyCeiling >> 10),
      ("HERALD_TRACKING_MESSAGE_KB", \.trackingMessageKB, TrackingLimits.messageCeiling >> 10),
    ] {
      guard let text = value(name) else { continue }
      if let number = Int(text), number >= 1, number <= most {
        self[keyPath: path] = number
      } else {
        faults.append("\(name) takes a whole number from 1 to \(most); it is '\(text)'.")
      }
    }
    unknownNames = SettingNames.warnings(
      about: Set(environment.keys).union(file.keys), known: known)
    guard faults.isEmpty else { throw Faults(all: faults + unknownNames) }
  }

  private static func address(_ text: String) -> (String, Int)? {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65535).contains(port)
    else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    return (host.isEmpty ? "0.0.0.0" : host, port)
  }

  private static func publicURL(_ text: String) -> String? {
    guard let parts = URLComponents(string: text), let host = parts.host, !host.isEmpty,
      ["http", "https"].contains(parts.scheme?.lowercased() ?? ""), parts.user == nil,
      parts.query == nil, parts.fragment == nil
    else { return nil }
    return text.hasSuffix("/") ? String(text.dropLast()) : text
  }

  private static func read(_ path: String?, _ faults: inout [String]) -> [String: String] {
    guard let path else { return [:] }
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      faults.append("The configuration file '\(path)' cannot be read.")
      return [:]
    }
    var values: [String: String] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      let name = line[..<equals].trimmingCharacters(in: .whitespaces)
      values[name] = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
    }
    return values
  }
}
