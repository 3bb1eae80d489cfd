/// Reads a JSON object field by field and notes every fault with its place; it never stops at the
/// first. Each getter answers nil for a field that is absent or faulty: whoever has called
/// `finish()` and finds `faults` empty may rely on the required ones.
///
/// `null` counts as a value of the wrong type unless `nullIsAbsent` was asked for; where null has a
/// meaning (a PATCH), read the field with `value` or ask `isNull`.
public final class ObjectReader {
  public let object: JSONObject
  public let pointer: JSONPointer
  public let faults: Faults
  let nullIsAbsent: Bool
  private var known: [String] = []

  /// Nil, with a fault, when the value is no object.
  public init?(
    _ value: JSONValue, at pointer: JSONPointer = .root, faults: Faults, nullIsAbsent: Bool = false
  ) {
    guard case .object(let object) = value else {
      faults.add(.typeMismatch, at: pointer, "An object is expected here, not \(value.article).")
      return nil
    }
    self.object = object
    self.pointer = pointer
    self.faults = faults
    self.nullIsAbsent = nullIsAbsent
  }

  public func has(_ key: String) -> Bool { object[key] != nil }
  public func isNull(_ key: String) -> Bool { object[key]?.isNull ?? false }

  /// The field as it is; nil when absent (or null, with `nullIsAbsent`).
  public func value(_ key: String, required: Bool = false) -> JSONValue? {
    known.append(key)
    if let value = object[key], !(nullIsAbsent && value.isNull) { return value }
    if required { add(.required, key, "The field '\(key)' is required.") }
    return nil
  }

  /// Declares fields that are read elsewhere, so that `finish` does not call them unknown.
  public func allow(_ keys: String...) { known += keys }

  /// Adds a fault at a field of this object.
  public func add(_ code: JSONFault.Code, _ key: String, _ detail: String) {
    faults.add(code, at: pointer.appending(key), detail)
  }

  /// Notes every field that no getter asked for. To be called once, after all getters.
  public func finish() {
    for member in object where !known.contains(where: { $0.utf8.elementsEqual(member.key.utf8) }) {
      let shown = member.key.unicodeScalars.count > 64 ? "This field" : "'\(member.key)'"
      add(.unknownField, member.key, "\(shown) is no field of this object.\(advice(member.key))")
    }
  }

  private func advice(_ key: String) -> String {
    let absent = known.filter { object[$0] == nil }
    guard let nearest = EditDistance.nearest(to: key, among: absent) else { return "" }
    return " Did you mean '\(nearest)'?"
  }

  func mismatch(_ key: String, _ value: JSONValue, expected: String) {
    let hint = value.isNull ? " Leave the field out instead." : ""
    add(.typeMismatch, key, "\(expected) is expected here, not \(value.article).\(hint)")
  }
}

extension JSONValue {
  /// The kind with its article, for sentences.
  public var article: String {
    switch self {
    case .null: "null"
    case .array, .object: "an \(kind)"
    default: "a \(kind)"
    }
  }
}
