import Foundation
import HTTP
import JSON
import Synchronization

@testable import Herald

/// An adapter `record` for every channel, which keeps what it was handed and answers as told.
final class RecordingChannel: Sendable {
  typealias Reply = @Sendable (OutboundMessage) -> AttemptOutcome

  private let taken = Mutex<[OutboundMessage]>([])
  private let answer = Mutex<Reply>({ _ in .sent(providerID: nil) })

  var messages: [OutboundMessage] { taken.withLock { $0 } }

  func reply(_ reply: @escaping Reply) { answer.withLock { $0 = reply } }

  fileprivate func take(_ message: OutboundMessage) -> AttemptOutcome {
    taken.withLock { $0.append(message) }
    return answer.withLock { $0 }(message)
  }

  var registry: AdapterRegistry {
    AdapterRegistry([
      AdapterKind(
        name: "record", channels: Set(Channel.allCases),
        configSchema: Schema.object(["idempotent?": Schema.bool]), secretFields: [],
        validate: { config, pointer, faults in
          guard let reader = ObjectReader(config, at: pointer, faults: faults) else { return }
          _ = reader.bool("idempotent")
          reader.finish()
        },
        make: { configuration in
          RecordingAdapter(
            channel: self, resendsSafely: configuration.config["idempotent"] == true)
        })
    ])
  }
}

private struct RecordingAdapter: ChannelAdapter {
  let channel: RecordingChannel
  let resendsSafely: Bool

  func send(_ message: OutboundMessage) async -> AttemptOutcome { channel.take(message) }

  func receipts(_ request: Request, now: Date) throws -> ReceiptBatch {
    throw HeraldError(.notFound, "Nothing calls back.")
  }
}
