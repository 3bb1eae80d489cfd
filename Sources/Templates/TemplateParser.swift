import JSON

extension JSONFault.Code {
  /// A template asks for a value that no message has.
  public static let unknownVariable: JSONFault.Code = "unknown_variable"
}

/// Reads one template; a fault inside a place ends that place, not the reading.
struct TemplateParser {
  private let source: String
  private let scalars: [Unicode.Scalar]
  private let pointer: JSONPointer
  private let singleLine: Bool
  private let roots: Set<TemplatePath.Root>
  private let faults: Faults
  private var index = 0
  private var pieces: [Template.Piece] = []
  private var literal = String.UnicodeScalarView()
  private var placeCount = 0
  private var faultCount = 0

  /// Reading ends here: each fault's place is counted from the beginning of the text.
  private static let maximumFaults = 20

  init(
    _ source: String, pointer: JSONPointer, singleLine: Bool, roots: Set<TemplatePath.Root>,
    faults: Faults
  ) {
    self.source = source
    scalars = Array(source.unicodeScalars)
    self.pointer = pointer
    self.singleLine = singleLine
    self.roots = roots
    self.faults = faults
  }

  static func isName(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "_" || scalar == "-" || scalar.properties.isAlphabetic
      || scalar.properties.numericType != nil
      || scalar.properties.canonicalCombiningClass != .notReordered
  }

  mutating func parse() -> Template? {
    let before = faults.count
    while index < scalars.count, faultCount < Self.maximumFaults {
      if isAhead("{{") {
        place()
      } else if isAhead("{%") {
        fault(.invalidFormat, "Only {{ … }} is understood here; {% … %} is not.", at: index)
        index += 2
      } else {
        checkLiteral(scalars[index])
        literal.append(scalars[index])
        index += 1
      }
    }
    flush()
    return faults.count == before ? Template(source: source, pieces: pieces) : nil
  }

  private mutating func checkLiteral(_ scalar: Unicode.Scalar) {
    let isBreak = scalar == "\n" || scalar == "\r"
    if isBreak || scalar == "\t" {
      if singleLine, isBreak { fault(.invalidFormat, "This must be a single line.", at: index) }
    } else if PlainText.isDropped(scalar) || PlainText.isBreak(scalar) {
      let code = String(scalar.value, radix: 16, uppercase: true)
      fault(.invalidFormat, "The invisible character U+\(code) is not allowed.", at: index)
    }
  }

  private mutating func flush() {
    if !literal.isEmpty { pieces.append(.text(String(literal))) }
    literal = String.UnicodeScalarView()
  }

  private mutating func place() {
    flush()
    let start = index
    index += 2
    guard let place = placeBody(start) else {
      skipPlace()
      return
    }
    pieces.append(place)
    placeCount += 1
    if placeCount == Template.maximumPlaces + 1 {
      fault(
        .tooLong, "A template may have at most \(Template.maximumPlaces) places for values.",
        at: start)
    }
  }

  private mutating func placeBody(_ start: Int) -> Template.Piece? {
    skipSpace()
    guard let path = path(start) else { return nil }
    skipSpace()
    var fallback: String?
    if take("|") {
      guard let text = defaultFilter() else { return nil }
      fallback = text
      skipSpace()
    }
    guard isAhead("}}") else {
      fault(
        .invalidFormat,
        index < scalars.count
          ? "'}}' is expected here, or '| default: '…'' once before it."
          : "The '{{' is never closed.",
        at: index < scalars.count ? index : start)
      return nil
    }
    index += 2
    return .place(path, default: fallback)
  }

  private mutating func path(_ start: Int) -> TemplatePath? {
    guard let first = name() else {
      fault(.invalidFormat, "A name such as user.name is expected after '{{'.", at: index)
      return nil
    }
    var names: [String] = []
    while index < scalars.count {
      if take(".") {
        guard let name = name() else {
          fault(.invalidFormat, "A name is expected after the point.", at: index)
          return nil
        }
        names.append(name)
      } else if take("[") {
        skipSpace()
        guard let name = quoted() else { return nil }
        skipSpace()
        guard take("]") else {
          fault(.invalidFormat, "']' is expected here.", at: index)
          return nil
        }
        names.append(name)
      } else {
        break
      }
    }
    return checked(first, names, start)
  }

  private mutating func checked(_ first: String, _ names: [String], _ start: Int) -> TemplatePath? {
    let root = TemplatePath.Root(rawValue: first).flatMap { roots.contains($0) ? $0 : nil }
    let isKnown =
      switch root {
      case .user, .event, .item: !names.isEmpty
      case .header: names.count == 1
      case .plan: names == ["key"]
      case .steps:
        names.count == 3 && names[1] == "coupon" && ["code", "valid_until"].contains(names[2])
      case .unsubscribeURL: names.isEmpty
      case nil: false
      }
    guard let root, isKnown else {
      fault(
        .unknownVariable,
        "There is no '\(([first] + names).joined(separator: "."))'; there are \(known).",
        at: start)
      return nil
    }
    return TemplatePath(root, names)
  }

  private var known: String {
    roots == TemplatePath.Root.mapping
      ? "item.<member> and header.<name>"
      : "user.<attribute>, event.<property>, plan.key, steps.<id>.coupon.code, "
        + "steps.<id>.coupon.valid_until and unsubscribe_url"
  }

  private mutating func defaultFilter() -> String? {
    skipSpace()
    let start = index
    guard name() == "default" else {
      fault(.invalidFormat, "The only filter is default: '…'.", at: start)
      return nil
    }
    skipSpace()
    guard take(":") else {
      fault(.invalidFormat, "':' and a text in quotes are expected after default.", at: index)
      return nil
    }
    skipSpace()
    return quoted()
  }

  private mutating func quoted() -> String? {
    guard index < scalars.count, scalars[index] == "'" || scalars[index] == "\"" else {
      fault(.invalidFormat, "A text in quotes is expected here.", at: index)
      return nil
    }
    let quote = scalars[index]
    let start = index
    index += 1
    var text = String.UnicodeScalarView()
    while index < scalars.count, scalars[index] != quote {
      checkLiteral(scalars[index])
      text.append(scalars[index])
      index += 1
    }
    guard take(quote) else {
      fault(.invalidFormat, "The quote is never closed.", at: start)
      return nil
    }
    return String(text)
  }

  private mutating func name() -> String? {
    var text = String.UnicodeScalarView()
    while index < scalars.count, Self.isName(scalars[index]) {
      text.append(scalars[index])
      index += 1
    }
    return text.isEmpty ? nil : String(text)
  }

  /// After a fault: on to the end of this place, or to where another begins.
  private mutating func skipPlace() {
    while index < scalars.count, !isAhead("}}"), !isAhead("{{") { index += 1 }
    if isAhead("}}") { index += 2 }
  }

  private mutating func skipSpace() {
    while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard index < scalars.count, scalars[index] == scalar else { return false }
    index += 1
    return true
  }

  private func isAhead(_ mark: String) -> Bool {
    scalars[index...].starts(with: mark.unicodeScalars)
  }

  private mutating func fault(_ code: JSONFault.Code, _ detail: String, at place: Int) {
    faultCount += 1
    let before = scalars[..<min(place, scalars.count)]
    let line = before.count { $0 == "\n" } + 1
    let column = before.count - (before.lastIndex(of: "\n").map { $0 + 1 } ?? 0) + 1
    let offset = before.reduce(0) { $0 + UTF8.width($1) }
    faults.add(
      code, at: pointer, "\(detail) (line \(line), column \(column), offset \(offset))")
  }
}
