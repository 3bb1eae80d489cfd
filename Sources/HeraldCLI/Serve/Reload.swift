import Dispatch
import Glibc
import Logging

/// SIGHUP reads the settings again and takes the log level from them; everything else needs a
/// restart.
struct Reload {
  private let source: any DispatchSourceSignal

  init(level: @escaping @Sendable () throws -> String) {
    signal(SIGHUP, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGHUP)
    source.setEventHandler {
      let logger = Logger(label: "herald")
      do {
        let name = try level()
        Logs.level = Logger.Level(rawValue: name) ?? Logs.level
        logger.notice("settings read again", metadata: ["log_level": "\(name)"])
      } catch {
        logger.error("settings not read again: \(Sentence(error).description)")
      }
    }
    source.resume()
  }

  func cancel() { source.cancel() }
}
