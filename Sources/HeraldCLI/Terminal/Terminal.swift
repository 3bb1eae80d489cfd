import Foundation
import Synchronization

/// Standard output for people: lines, and below them one line that changes while work goes on.
///
/// Where the output is no terminal the changing line becomes an ordinary one every few seconds.
final class Terminal: Sendable {
  private struct State {
    /// Whether the last line is the changing one.
    var isChanging = false
    var lastShown: ContinuousClock.Instant?
    /// Lines of the frame that the next one replaces.
    var frame = 0
  }

  let isInteractive: Bool
  private let hasColours: Bool
  private let interval: Duration
  private let descriptor: Int32
  private let state = Mutex(State())

  init(
    descriptor: Int32 = STDOUT_FILENO, isInteractive: Bool? = nil,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    self.descriptor = descriptor
    let isInteractive =
      isInteractive ?? (isatty(descriptor) == 1 && environment["TERM"] != "dumb")
    self.isInteractive = isInteractive
    hasColours = isInteractive && environment["NO_COLOR"] == nil
    interval = isInteractive ? .milliseconds(80) : .seconds(3)
  }

  func say(_ line: String = "") {
    state.withLock { state in
      let start = state.isChanging ? "\r\u{1B}[K" : ""
      state.isChanging = false
      put(start + line + "\n")
    }
  }

  func say(_ lines: [String]) {
    for line in lines { say(line) }
  }

  func heading(_ text: String) {
    say()
    say(bold(text))
  }

  func bold(_ text: String) -> String { hasColours ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
  func good(_ text: String) -> String { hasColours ? "\u{1B}[32m\(text)\u{1B}[0m" : text }
  func bad(_ text: String) -> String { hasColours ? "\u{1B}[31m\(text)\u{1B}[0m" : text }

  /// Shows how far `label` is; when it was shown a moment ago, nothing. `total` nil: not known.
  func progress(_ label: String, _ done: Int, of total: Int?, note: String = "") {
    state.withLock { state in
      // What takes no time needs no ordinary line.
      let last = state.lastShown ?? (isInteractive ? nil : .now)
      state.lastShown = last
      if let last, ContinuousClock.now - last < interval { return }
      state.lastShown = .now
      if isInteractive {
        put("\r\u{1B}[K" + Self.bar(label, done, total, note))
        state.isChanging = true
      } else {
        put(Self.line(label, done, total, note) + "\n")
      }
    }
  }

  /// Takes the changing line away.
  func endProgress() {
    state.withLock { state in
      if state.isChanging { put("\r\u{1B}[K") }
      state.isChanging = false
      state.lastShown = nil
    }
  }

  /// Lines that take the place of those of the frame before. For terminals only.
  func frame(_ lines: [String]) {
    state.withLock { state in
      put(
        (state.frame > 0 ? "\u{1B}[\(state.frame)A\u{1B}[J" : "") + lines.joined(separator: "\n")
          + "\n")
      state.frame = lines.count
    }
  }

  /// What was drawn last stays.
  func endFrame() { state.withLock { $0.frame = 0 } }

  private static func bar(_ label: String, _ done: Int, _ total: Int?, _ note: String) -> String {
    let width = 28
    guard let total, total > 0 else { return line(label, done, total, note) }
    let filled = min(width, done * width / total)
    let bar =
      String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    let percent = TextWidth.pad("\(min(100, done * 100 / total)) %", to: 5, right: true)
    return "  \(TextWidth.pad(label, to: 12)) \(bar) \(percent)  \(note)"
  }

  private static func line(_ label: String, _ done: Int, _ total: Int?, _ note: String) -> String {
    let count = total.map { "\(done.grouped) of \($0.grouped)" } ?? done.grouped
    return "  \(label): \(note.isEmpty ? count : note)"
  }

  /// One write a line, at once: also when the output is a pipe.
  private func put(_ text: String) {
    var bytes = ArraySlice(Array(text.utf8))
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}

extension Int {
  /// 1234567 as 1,234,567.
  var grouped: String {
    var text = ""
    for (index, digit) in String(magnitude).reversed().enumerated() {
      if index > 0, index.isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return (self < 0 ? "-" : "") + String(text.reversed())
  }
}

extension Duration {
  /// Seconds with one decimal, such as "2.4 s".
  var inSeconds: String {
    let tenths = components.seconds * 10 + components.attoseconds / 100_000_000_000_000_000
    return "\(tenths / 10).\(tenths % 10) s"
  }
}
