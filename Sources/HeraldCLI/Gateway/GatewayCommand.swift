import ArgumentParser
import Foundation
import HeraldChannels
import Logging

/// `herald gateway`: the receiving end of the `http` adapter, for trying Herald out.
struct GatewayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway",
    abstract: "Receive messages of the http adapter, log them, and send receipts back.",
    discussion: """
      Point a sender at it: {"adapter": "http", "config": {"url": "http://127.0.0.1:9900/sms", \
      "secret": "whsec_…"}}. Herald then needs HERALD_ALLOW_PRIVATE_ENDPOINTS. Failures are \
      decided by the idempotency key, so that a run can be repeated.
      """)

  @Option(help: "Address and port to listen on; port 0 takes a free one.")
  var listen = "127.0.0.1:9900"

  @Option(help: "File that gets one line of JSON per call, before the call is answered.")
  var log: String?

  @Option(help: "Signing secret of the senders (whsec_…); calls it did not sign are answered 401.")
  var secret: String?

  @Option(help: "Share of the messages refused for good (422), 0 to 1.")
  var failRate = 0.0

  @Option(help: "The same for one channel, like push=0.3; may be given several times.")
  var failChannel: [String] = []

  @Option(help: "Share of the calls answered 503, 0 to 1; each try is decided anew.")
  var retryRate = 0.0

  @Option(help: "Milliseconds between the log line and the answer.")
  var latency = 0

  @Option(
    help: "Where receipts go, like http://127.0.0.1:8080/v1/receipts/{channel}; needs --secret.")
  var receipts: String?

  @Option(help: "Share of the messages reported as opened, 0 to 1.")
  var openRate = 0.4

  @Option(help: "Share of the messages reported as clicked, 0 to 1.")
  var clickRate = 0.1

  @Flag(help: "Do not print a line every 10 seconds.")
  var quiet = false

  func validate() throws {
    for rate in [failRate, retryRate, openRate, clickRate] where !(0...1).contains(rate) {
      throw ValidationError("A rate must be from 0 to 1.")
    }
    guard (0...600_000).contains(latency) else {
      throw ValidationError("--latency must be from 0 to 600000 milliseconds.")
    }
    guard receipts == nil || secret != nil else {
      throw ValidationError("--receipts needs --secret: receipts are signed.")
    }
    _ = try gatewayConfiguration()
  }

  func run() async throws {
    let gateway = try Gateway(
      gatewayConfiguration(), logger: Logger(label: "gateway"))
    let port = try gateway.start()
    Self.say("Listening on \(try address().host):\(port).")
    let ending = SignalWait()
    while await ending.wait(for: .seconds(10)) == false {
      if !quiet { Self.say(Self.line(gateway.counts)) }
    }
    await gateway.shutdown()
    Self.say(Self.line(gateway.counts))
  }

  /// At once, also when nobody but a file listens.
  private static func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
  }

  private static func line(_ counts: [Int: Int]) -> String {
    let parts = counts.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
    return parts.isEmpty ? "no calls yet" : parts.joined(separator: ", ")
  }

  private func gatewayConfiguration() throws -> GatewayConfiguration {
    var configuration = GatewayConfiguration()
    (configuration.host, configuration.port) = try address()
    configuration.log = log.map { URL(fileURLWithPath: $0) }
    configuration.secret = secret
    configuration.failRate = failRate
    configuration.retryRate = retryRate
    configuration.latency = .milliseconds(latency)
    configuration.receipts = receipts
    configuration.openRate = openRate
    configuration.clickRate = clickRate
    for pair in failChannel {
      let parts = pair.split(separator: "=")
      guard parts.count == 2, let rate = Double(parts[1]), (0...1).contains(rate) else {
        throw ValidationError("--fail-channel takes a channel and a rate, like push=0.3.")
      }
      configuration.failRateByChannel[String(parts[0])] = rate
    }
    return configuration
  }

  private func address() throws -> (host: String, port: Int) {
    guard let colon = listen.lastIndex(of: ":"),
      let port = Int(listen[listen.index(after: colon)...]), (0...65_535).contains(port)
    else { throw ValidationError("--listen takes an address and a port, like 127.0.0.1:9900.") }
    return (listen[..<colon].trimmingCharacters(in: ["[", "]"]), port)
  }
}
