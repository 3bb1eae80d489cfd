import Foundation

/// Prometheus' text format 0.0.4. A family's samples stand together under its HELP and TYPE.
struct MetricsText {
  enum Kind: String { case counter, gauge, histogram }

  private(set) var text = ""

  /// `name` and the label names are Herald's own; label values may be anything.
  mutating func family(
    _ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]
  ) {
    text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n"
    text += "# TYPE \(name) \(kind.rawValue)\n"
    for sample in samples {
      text += name + sample.suffix + Self.labels(sample.labels) + " "
      text += Self.number(sample.value) + "\n"
    }
  }

  struct Sample {
    /// `_bucket`, `_sum` and `_count` of a histogram.
    var suffix = ""
    var labels: [(name: String, value: String)] = []
    let value: Double

    init(_ value: Double, _ labels: KeyValuePairs<String, String> = [:], suffix: String = "") {
      self.value = value
      self.labels = labels.map { (name: $0.key, value: $0.value) }
      self.suffix = suffix
    }

    init(_ value: Int, _ labels: KeyValuePairs<String, String> = [:], suffix: String = "") {
      self.init(Double(value), labels, suffix: suffix)
    }
  }

  private static func labels(_ labels: [(name: String, value: String)]) -> String {
    guard !labels.isEmpty else { return "" }
    return "{"
      + labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
      + "}"
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\"" where quotes: escaped += "\\\""
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }

  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    if let integer = Int(exactly: value) { return String(integer) }
    return "\(value)"
  }
}
