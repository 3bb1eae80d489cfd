import Foundation
import HTTP
import Herald
import JSON

/// Adapter `file`: one line of JSON per message in `messages/<sender>.ndjson` under the data
/// directory, for trying things out and for systems that fetch files.
struct FileChannel: ChannelAdapter {
  let file: LineFile
  let now: @Sendable () -> Date

  /// Nobody looks for the same key twice in a file.
  var resendsSafely: Bool { false }

  func send(_ message: OutboundMessage) async -> AttemptOutcome {
    var line = HTTPChannel.body(of: message).objectValue ?? [:]
    line["at"] = .instant(now())
    switch await file.append(JSONValue.object(line).bytes) {
    case .success: return .sent(providerID: nil)
    case .failure(.notWritten(let reason)): return .retry(after: nil, reason: reason)
    case .failure(.torn(let reason)): return .unknown(reason: reason)
    }
  }

  func receipts(_ request: Request, now: Date) throws -> ReceiptBatch {
    throw HeraldError(.invalid, "A sender of adapter 'file' has no provider that could call back.")
  }
}

extension FileChannel {
  static func kind(
    dataDirectory: URL, now: @escaping @Sendable () -> Date = { Date() }
  ) -> AdapterKind {
    AdapterKind(
      name: "file", channels: Set(Channel.allCases), configSchema: Schema.object([:]),
      secretFields: [],
      validate: { config, pointer, faults in
        ObjectReader(config, at: pointer, faults: faults)?.finish()
      },
      make: { configuration in
        let url = dataDirectory.appendingPathComponent("messages", isDirectory: true)
          .appendingPathComponent("\(configuration.key).ndjson")
        do {
          return FileChannel(file: try LineFile(url), now: now)
        } catch {
          throw HeraldError(
            .unexpected,
            "The file of sender '\(configuration.key)' cannot be opened under the data directory: "
              + "\(error)")
        }
      })
  }
}
