import JSON

/// What is done to one attribute. In JSON a plain value sets it and null removes it; the others are
/// objects of one member, `{"$increment": 5}`.
public enum AttributeOperation: Sendable, Equatable {
  case set(JSONValue)
  case unset
  /// Adds to a number, exactly; an absent one counts as 0.
  case increment(JSONNumber)
  /// Adds to the end of an array; an absent one counts as empty.
  case append([JSONValue])
  /// Takes every element that equals one of these out of an array.
  case remove([JSONValue])
  case setIfAbsent(JSONValue)

  /// Elements of an array that operations make.
  static let elementLimit = 1000

  static let names = [
    "$set", "$unset", "$increment", "$append", "$remove", "$set_if_absent",
  ]

  /// Whether it can be done without knowing the value there is.
  var isPlain: Bool {
    switch self {
    case .set, .unset: true
    default: false
    }
  }

  /// The operation a value means. An object whose only member begins with `$` is one, and must be
  /// known; `isLenient` takes an unknown one for a plain value.
  init(_ value: JSONValue, isLenient: Bool = false) throws(JSONFault) {
    if value.isNull {
      self = .unset
      return
    }
    guard case .object(let object) = value, object.count == 1, let member = object.members.first,
      member.key.hasPrefix("$"), !isLenient || Self.names.contains(member.key)
    else {
      self = .set(value)
      return
    }
    do {
      self = try Self.operation(member.key, member.value)
    } catch {
      throw error.inside(JSONPointer(tokens: [member.key]))
    }
  }

  private static func operation(
    _ name: String, _ value: JSONValue
  ) throws(JSONFault) -> AttributeOperation {
    switch name {
    case "$set": return value.isNull ? .unset : .set(value)
    case "$unset":
      guard value == .bool(true) else {
        throw JSONFault(.typeMismatch, "$unset takes true, as in {\"$unset\": true}.")
      }
      return .unset
    case "$increment":
      guard case .number(let number) = value else {
        throw JSONFault(.typeMismatch, "$increment takes a number, not \(value.article).")
      }
      return .increment(number)
    case "$append": return .append(try elements(name, value))
    case "$remove": return .remove(try elements(name, value))
    case "$set_if_absent":
      guard !value.isNull else {
        throw JSONFault(.typeMismatch, "$set_if_absent takes a value other than null.")
      }
      return .setIfAbsent(value)
    default:
      throw JSONFault(
        .invalidChoice,
        "This is no operation; use one of \(names.joined(separator: ", ")), "
          + "or {\"$set\": …} for an object like this.")
    }
  }

  /// One element, or several as an array.
  private static func elements(
    _ name: String, _ value: JSONValue
  ) throws(JSONFault) -> [JSONValue] {
    let elements = value.arrayValue ?? [value]
    guard !value.isNull, elements.count <= elementLimit else {
      throw JSONFault(
        .outOfRange, "\(name) takes one element, or an array of at most \(elementLimit).")
    }
    return elements
  }

  /// The value that `current` becomes; nil for none.
  func applied(to current: JSONValue?) throws(JSONFault) -> JSONValue? {
    let current = current.flatMap { $0.isNull ? nil : $0 }
    switch self {
    case .set(let value): return value
    case .unset: return nil
    case .setIfAbsent(let value): return current ?? value
    case .increment(let number): return .number(try Self.sum(current, number))
    case .append(let added):
      let sum = try Self.array(current) + added
      guard sum.count <= Self.elementLimit else {
        throw JSONFault(
          .tooLong, "The array would have more than \(Self.elementLimit) elements.")
      }
      return .array(sum)
    case .remove(let removed):
      guard current != nil else { return nil }
      return .array(try Self.array(current).filter { !removed.contains($0) })
    }
  }

  private static func sum(
    _ current: JSONValue?, _ number: JSONNumber
  ) throws(JSONFault) -> JSONNumber {
    let known = current ?? .number(JSONNumber(0))
    guard case .number(let value) = known else {
      throw JSONFault(
        .typeMismatch, "Only a number can be incremented; the attribute is \(known.article) now.")
    }
    // Within the limits of what is taken from outside, so that it can be read again.
    guard let sum = JSONNumber((value + number).text) else {
      throw JSONFault(.outOfRange, "The sum would have more digits than a number may have.")
    }
    return sum
  }

  private static func array(_ current: JSONValue?) throws(JSONFault) -> [JSONValue] {
    guard let current else { return [] }
    guard let elements = current.arrayValue else {
      throw JSONFault(
        .typeMismatch,
        "Only an array can be appended to or removed from; the attribute is \(current.article) now."
      )
    }
    return elements
  }

  /// As it stands in a request.
  var json: JSONValue {
    switch self {
    case .set(let value):
      // Told from an operation by being wrapped.
      if let object = value.objectValue, object.count == 1, object.keys[0].hasPrefix("$") {
        ["$set": value]
      } else {
        value
      }
    case .unset: .null
    case .increment(let number): ["$increment": .number(number)]
    case .append(let elements): ["$append": .array(elements)]
    case .remove(let elements): ["$remove": .array(elements)]
    case .setIfAbsent(let value): ["$set_if_absent": value]
    }
  }
}
