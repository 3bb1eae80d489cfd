/// Writes the Prometheus text format, version 0.0.4: every family once, with its help and type.
struct MetricsText {
  enum Kind: String {
    case counter, gauge, histogram
  }

  typealias Labels = KeyValuePairs<String, String>

  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  private(set) var text = ""

  /// Begins a family; its samples follow.
  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(Self.escaped(help))\n# TYPE \(name) \(kind.rawValue)\n"
  }

  mutating func sample(_ name: String, _ labels: Labels, _ value: Int) {
    line(name, labels, String(value))
  }

  mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
    line(name, labels, Self.number(value))
  }

  /// A family of one sample without labels.
  mutating func gauge(_ name: String, _ help: String, _ value: Double?) {
    guard let value else { return }
    family(name, .gauge, help)
    sample(name, [:], value)
  }

  mutating func gauge(_ name: String, _ help: String, _ value: Int?) {
    guard let value else { return }
    family(name, .gauge, help)
    sample(name, [:], value)
  }

  mutating func counter(_ name: String, _ help: String, _ value: Int?) {
    guard let value else { return }
    family(name, .counter, help)
    sample(name, [:], value)
  }

  private mutating func line(_ name: String, _ labels: Labels, _ value: String) {
    text += name
    if !labels.isEmpty {
      text += "{"
      for (index, label) in labels.enumerated() {
        if index > 0 { text += "," }
        text += "\(label.key)=\"\(Self.escaped(label.value, quote: true))\""
      }
      text += "}"
    }
    text += " \(value)\n"
  }

  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return "\(value)"
  }

  private static func escaped(_ text: String, quote: Bool = false) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\"" where quote: out += "\\\""
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
