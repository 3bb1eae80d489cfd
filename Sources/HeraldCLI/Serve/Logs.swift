import Foundation
import JSON
import Logging
import Synchronization

/// Log lines for people (`text`) or for programs (`json`, one object a line).
struct LineLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  let label: String
  let format: Configuration.LogFormat

  /// One for the whole process, so that it can be changed while it runs.
  var logLevel: Logger.Level {
    get { Logs.level }
    set { Logs.level = newValue }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
    var line: [UInt8] = []
    switch format {
    case .json:
      var object: JSONObject = [
        "time": .string(Date().rfc3339), "level": .string(event.level.rawValue),
        "message": .string("\(event.message)"),
      ]
      for (key, value) in all.sorted(by: { $0.key < $1.key }) { object[key] = .string("\(value)") }
      JSONValue.object(object).write(to: &line)
    case .text:
      let fields = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
      line = Array(
        "\(Date().rfc3339) \(event.level.rawValue.uppercased()) \(event.message)\(fields)".utf8)
    }
    line.append(0x0A)
    // One write a line: lines of several threads do not mix.
    line.withUnsafeBytes { _ = write(2, $0.baseAddress, $0.count) }
  }
}

enum Logs {
  private static let current = Mutex(Logger.Level.info)

  static var level: Logger.Level {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }

  static func bootstrap(level: String, format: Configuration.LogFormat) {
    self.level = Logger.Level(rawValue: level) ?? .info
    LoggingSystem.bootstrap { label in LineLogHandler(label: label, format: format) }
  }
}
