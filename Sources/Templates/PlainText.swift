/// What may stand in a message as plain text.
enum PlainText {
  /// A value on one line: breaks and tabs become single spaces; other control characters and what
  /// turns the direction of the surrounding text are dropped.
  static func clean(_ value: String) -> String {
    if value.utf8.allSatisfy({ 0x20..<0x7F ~= $0 }) { return value }
    var out = String.UnicodeScalarView()
    var brokeBefore = false
    for scalar in value.unicodeScalars where !isDropped(scalar) {
      let breaks = isBreak(scalar)
      if !breaks { out.append(scalar) } else if !brokeBefore { out.append(" ") }
      brokeBefore = breaks
    }
    return String(out)
  }

  static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// C0, DEL and C1 but for the breaks; bidi embeddings, overrides and isolates.
  static func isDropped(_ scalar: Unicode.Scalar) -> Bool {
    if isBreak(scalar) { return false }
    return switch scalar.value {
    case 0..<0x20, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
