extension ObjectReader {
  /// A value inside an array or object, with its place for further faults.
  public struct Element {
    public let value: JSONValue
    public let pointer: JSONPointer

    public init(value: JSONValue, pointer: JSONPointer) {
      self.value = value
      self.pointer = pointer
    }
  }

  /// A reader of a nested object; it shares the faults and is finished by itself.
  public func object(_ key: String, required: Bool = false) -> ObjectReader? {
    guard let value = value(key, required: required) else { return nil }
    return ObjectReader(
      value, at: pointer.appending(key), faults: faults, nullIsAbsent: nullIsAbsent)
  }

  /// The elements of an array.
  public func array(
    _ key: String, required: Bool = false, count: ClosedRange<Int> = 0...1000
  ) -> [Element]? {
    guard let value = value(key, required: required) else { return nil }
    guard case .array(let elements) = value else {
      mismatch(key, value, expected: "An array")
      return nil
    }
    guard count.contains(elements.count) else {
      let code: JSONFault.Code = elements.count > count.upperBound ? .tooLong : .outOfRange
      add(
        code, key,
        "An array of \(count.lowerBound) to \(count.upperBound) elements is expected here; "
          + "there are \(elements.count).")
      return nil
    }
    let place = pointer.appending(key)
    return elements.enumerated().map { Element(value: $1, pointer: place.appending($0)) }
  }
}
