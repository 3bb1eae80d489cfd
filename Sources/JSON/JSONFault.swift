/// One thing wrong with a document from outside: a machine-readable code, the place, and a
/// sentence that says what to do.
public struct JSONFault: Error, Sendable, Equatable, CustomStringConvertible {
  public var code: Code
  public var pointer: JSONPointer
  public var detail: String

  public init(_ code: Code, at pointer: JSONPointer = .root, _ detail: String) {
    self.code = code
    self.pointer = pointer
    self.detail = detail
  }

  public var description: String { "\(code.rawValue) at '\(pointer)': \(detail)" }

  /// The same fault seen from an outer document, in which this one lies at `outer`.
  public func inside(_ outer: JSONPointer) -> JSONFault {
    JSONFault(code, at: outer.appending(pointer), detail)
  }

  func inside(_ key: String) -> JSONFault { inside(JSONPointer(tokens: [key])) }

  /// A fault's code; a string literal makes one, so that modules can bring codes of their own.
  public struct Code: RawRepresentable, Hashable, Sendable, ExpressibleByStringLiteral {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public init(stringLiteral value: String) { rawValue = value }

    // The scanner's.
    /// Not a JSON text of RFC 8259.
    public static let invalidJSON: Code = "invalid_json"
    /// Not UTF-8, a lone surrogate, or the character U+0000.
    public static let invalidText: Code = "invalid_text"
    /// The same key twice in one object.
    public static let duplicateKey: Code = "duplicate_key"
    /// More nesting or more members than the limits allow.
    public static let tooComplex: Code = "too_complex"

    // The readers'.
    public static let typeMismatch: Code = "type_mismatch"
    public static let required: Code = "required"
    public static let outOfRange: Code = "out_of_range"
    public static let invalidFormat: Code = "invalid_format"
    public static let unknownField: Code = "unknown_field"
    public static let invalidChoice: Code = "invalid_choice"
    public static let tooLong: Code = "too_long"
  }
}

/// What the scanner refuses although RFC 8259 would allow it.
public struct JSONLimits: Sendable {
  /// Containers inside containers.
  public var depth: Int
  /// Members of one object.
  public var members: Int
  /// Digits of a number before its exponent.
  public var digits: Int
  /// Size of a number: `1e131071` in a jsonb column would print 131,072 characters.
  public var exponent: Int

  public init(depth: Int = 32, members: Int = 10_000, digits: Int = 40, exponent: Int = 308) {
    self.depth = depth
    self.members = members
    self.digits = digits
    self.exponent = exponent
  }
}
