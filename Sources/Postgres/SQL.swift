/// A statement, or a piece of one, with its parameters.
///
/// Interpolation binds: `"… WHERE id = \(id)"` becomes `$1` with `id` beside it. Text enters only as
/// another `SQL` value (`\(condition)`, whose parameters are renumbered) or as a quoted name
/// (`\(identifier: table)`).
public struct SQL: ExpressibleByStringInterpolation, Sendable {
  /// The text around the parameters: always one more than there are parameters.
  private var literals: [String]
  public private(set) var parameters: [SQLParameter]
  private(set) var isPrepared = true

  public static let empty = SQL(stringLiteral: "")

  public init(stringLiteral value: String) {
    literals = [value]
    parameters = []
  }

  public init(stringInterpolation: StringInterpolation) {
    self = stringInterpolation.sql
  }

  /// The text as it is sent, with `$1`, `$2`, … in the places of the parameters.
  public var text: String {
    guard literals.count > 1 else { return literals.first ?? "" }
    var text = ""
    text.reserveCapacity(literals.reduce(0) { $0 + $1.utf8.count + 6 })
    for (number, literal) in literals.enumerated() {
      if number > 0 { text += "$\(number)" }
      text += literal
    }
    return text
  }

  public var isEmpty: Bool { parameters.isEmpty && literals.allSatisfy(\.isEmpty) }

  /// The same statement, planned anew at each execution and kept out of the connection's cache of
  /// prepared statements. For texts that are composed per request.
  public func unprepared() -> SQL {
    var copy = self
    copy.isPrepared = false
    return copy
  }

  public static func joined(_ parts: [SQL], separator: StaticString) -> SQL {
    var result = SQL.empty
    for (index, part) in parts.enumerated() {
      if index > 0 { result.append(literal: separator.description) }
      result.append(part)
    }
    return result
  }

  public static func + (left: SQL, right: SQL) -> SQL {
    var result = left
    result.append(right)
    return result
  }

  public static func += (left: inout SQL, right: SQL) { left.append(right) }

  fileprivate mutating func append(literal: String) {
    literals[literals.count - 1] += literal
  }

  fileprivate mutating func append(parameter: SQLParameter) {
    parameters.append(parameter)
    literals.append("")
  }

  fileprivate mutating func append(_ other: SQL) {
    append(literal: other.literals[0])
    literals.append(contentsOf: other.literals.dropFirst())
    parameters.append(contentsOf: other.parameters)
    if !other.isPrepared { isPrepared = false }
  }
}

extension SQL {
  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var sql = SQL.empty

    public init(literalCapacity: Int, interpolationCount: Int) {}

    public mutating func appendLiteral(_ literal: String) {
      sql.append(literal: literal)
    }

    /// Binds a value as the next parameter.
    public mutating func appendInterpolation<Value: SQLBindable>(_ value: Value) {
      sql.append(parameter: value.sqlParameter)
    }

    /// Binds a value or NULL. The same as the generic form; the compiler takes any other for a slip
    /// that would print "Optional(…)".
    public mutating func appendInterpolation<Value: SQLBindable>(_ value: Value?) {
      sql.append(parameter: value.sqlParameter)
    }

    /// Splices a composed fragment; its parameters keep their order.
    public mutating func appendInterpolation(_ fragment: SQL) {
      sql.append(fragment)
    }

    /// Quotes a name, so that it cannot be anything but a name.
    public mutating func appendInterpolation(identifier: String) {
      let quoted = identifier.split(separator: "\"", omittingEmptySubsequences: false)
      sql.append(literal: "\"" + quoted.joined(separator: "\"\"") + "\"")
    }
  }
}
