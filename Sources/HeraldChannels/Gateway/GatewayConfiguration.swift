import Foundation

/// How the stand-in gateway listens and misbehaves. All rates are decided by the idempotency key, so
/// that a run can be repeated and each message's fate foretold.
public struct GatewayConfiguration: Sendable {
  public var host = "127.0.0.1"
  /// 0 lets the system choose.
  public var port = 0
  /// One line of JSON per call, written before the call is answered.
  public var log: URL?
  /// `whsec_…`: calls without a signature of it are answered 401. Nil verifies nothing.
  public var secret: String?
  /// Share of the messages refused for good, with 422.
  public var failRate = 0.0
  /// The same for one channel, by its name.
  public var failRateByChannel: [String: Double] = [:]
  /// Share of the calls answered 503; each try of a message is decided anew.
  public var retryRate = 0.0
  /// Waited between the log line and the answer.
  public var latency = Duration.zero
  /// Where receipts of taken messages go, `{channel}` standing for the message's channel. Signed with
  /// `secret`, without which none are sent.
  public var receipts: String?
  /// Share of the taken messages that are opened, and of all taken that are opened and clicked.
  public var openRate = 0.4
  public var clickRate = 0.1
  /// Keeps every call in memory, for tests.
  public var remembersCalls = false

  public init() {}

  func failRate(of channel: String) -> Double { failRateByChannel[channel] ?? failRate }
}
