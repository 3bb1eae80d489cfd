extension ObjectReader {
  /// A string. Lengths count Unicode scalars, as JSON Schema does.
  public func string(
    _ key: String, required: Bool = false, minLength: Int = 0, maxLength: Int = 1024,
    pattern: TextPattern? = nil
  ) -> String? {
    guard let value = value(key, required: required) else { return nil }
    guard case .string(let text) = value else {
      mismatch(key, value, expected: "A string")
      return nil
    }
    return checked(
      text, key: key, at: pointer.appending(key), minLength: minLength, maxLength: maxLength,
      pattern: pattern)
  }

  /// An array of strings, each under the same rules.
  public func strings(
    _ key: String, required: Bool = false, count: ClosedRange<Int> = 0...1000, minLength: Int = 0,
    maxLength: Int = 1024, pattern: TextPattern? = nil
  ) -> [String]? {
    guard let elements = array(key, required: required, count: count) else { return nil }
    var texts: [String] = []
    for element in elements {
      guard case .string(let text) = element.value else {
        faults.add(
          .typeMismatch, at: element.pointer,
          "A string is expected here, not \(element.value.article).")
        continue
      }
      let valid = checked(
        text, key: key, at: element.pointer, minLength: minLength, maxLength: maxLength,
        pattern: pattern)
      if let valid { texts.append(valid) }
    }
    return texts
  }

  /// An integer; `3.0` and `3e0` are integers too.
  public func int(
    _ key: String, required: Bool = false, range: ClosedRange<Int> = Int.min...Int.max
  ) -> Int? {
    guard let value = value(key, required: required) else { return nil }
    guard case .number(let number) = value, number.isInteger else {
      mismatch(key, value, expected: "An integer")
      return nil
    }
    guard let integer = number.intValue, range.contains(integer) else {
      add(.outOfRange, key, "An integer \(Self.words(range)) is expected here.")
      return nil
    }
    return integer
  }

  /// A number as the nearest Double; use `number` where decimals must stay exact.
  public func double(
    _ key: String, required: Bool = false, range: ClosedRange<Double>? = nil
  ) -> Double? {
    guard let number = number(key, required: required)?.doubleValue else { return nil }
    if let range, !range.contains(number) {
      add(
        .outOfRange, key,
        "A number from \(range.lowerBound) to \(range.upperBound) is expected here.")
      return nil
    }
    return number
  }

  /// A number with its text.
  public func number(_ key: String, required: Bool = false) -> JSONNumber? {
    guard let value = value(key, required: required) else { return nil }
    guard case .number(let number) = value else {
      mismatch(key, value, expected: "A number")
      return nil
    }
    return number
  }

  public func bool(_ key: String, required: Bool = false) -> Bool? {
    guard let value = value(key, required: required) else { return nil }
    guard case .bool(let flag) = value else {
      mismatch(key, value, expected: "true or false")
      return nil
    }
    return flag
  }

  /// One of the raw values of an enum.
  public func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ key: String, _ type: Choice.Type = Choice.self, required: Bool = false
  ) -> Choice? {
    guard let value = value(key, required: required) else { return nil }
    guard case .string(let text) = value else {
      mismatch(key, value, expected: "A string")
      return nil
    }
    if let choice = Choice.allCases.first(where: { $0.rawValue.utf8.elementsEqual(text.utf8) }) {
      return choice
    }
    let choices = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
    add(.invalidChoice, key, "One of \(choices) is expected here.")
    return nil
  }

  private func checked(
    _ text: String, key: String, at place: JSONPointer, minLength: Int, maxLength: Int,
    pattern: TextPattern?
  ) -> String? {
    let length = text.unicodeScalars.count
    if length > maxLength {
      faults.add(
        .tooLong, at: place, "At most \(maxLength) characters are allowed; there are \(length).")
    } else if length < minLength {
      let detail =
        length == 0 ? "This may not be empty." : "At least \(minLength) characters are needed."
      faults.add(.outOfRange, at: place, detail)
    } else if let pattern, !pattern.matches(text) {
      faults.add(.invalidFormat, at: place, "\(pattern.expectation) is expected here.")
    } else {
      return text
    }
    return nil
  }

  static func words(_ range: ClosedRange<Int>) -> String {
    switch (range.lowerBound, range.upperBound) {
    case (Int.min, Int.max): "of 64 bits"
    case (let low, Int.max): "of \(low) or more"
    case (Int.min, let high): "of \(high) or less"
    case (let low, let high): "from \(low) to \(high)"
    }
  }
}
