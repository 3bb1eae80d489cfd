import FoundationEssentials
import JSON

extension ConditionParser {
  /// Every operator the object has, in the order of `Comparison.Operator`.
  func comparisons(
    _ reader: ObjectReader, _ operators: [Comparison.Operator] = Comparison.Operator.allCases
  ) -> [Comparison] {
    operators.compactMap { name in
      guard let value = reader.value(name.rawValue) else { return nil }
      return comparison(name, value, reader)
    }
  }

  private func comparison(
    _ name: Comparison.Operator, _ value: JSONValue, _ reader: ObjectReader
  ) -> Comparison? {
    let key = name.rawValue
    let place = ObjectReader.Element(value: value, pointer: reader.pointer.appending(key))
    switch name {
    case .eq: return scalar(place).map(Comparison.eq)
    case .ne: return scalar(place).map(Comparison.ne)
    case .isIn: return scalars(key, reader).map(Comparison.isIn)
    case .notIn: return scalars(key, reader).map(Comparison.notIn)
    case .gt: return ordered(place).map(Comparison.gt)
    case .gte: return ordered(place).map(Comparison.gte)
    case .lt: return ordered(place).map(Comparison.lt)
    case .lte: return ordered(place).map(Comparison.lte)
    case .between: return between(key, reader)
    case .exists: return reader.bool(key).map(Comparison.exists)
    case .contains:
      if value == "" {
        faults.add(.outOfRange, at: place.pointer, "This may not be empty.")
        return nil
      }
      return scalar(place).map(Comparison.contains)
    case .startsWith:
      return reader.string(key, minLength: 1).map(Comparison.startsWith)
    case .matchesDay: return dayOfYear(place).map(Comparison.matchesDay)
    case .before: return moment(place).map(Comparison.before)
    case .after: return moment(place).map(Comparison.after)
    }
  }

  private func scalar(_ place: ObjectReader.Element) -> JSONValue? {
    switch place.value {
    case .number, .bool: return place.value
    case .string(let text):
      guard text.unicodeScalars.count <= 1024 else {
        faults.add(.tooLong, at: place.pointer, "At most 1024 characters are allowed.")
        return nil
      }
      return place.value
    case .null:
      faults.add(
        .typeMismatch, at: place.pointer,
        "null is no operand; ask for absence with \"exists\": false.")
    case .array, .object:
      faults.add(
        .typeMismatch, at: place.pointer,
        "A string, a number, true or false is expected here, not \(place.value.article).")
    }
    return nil
  }

  private func scalars(_ key: String, _ reader: ObjectReader) -> [JSONValue]? {
    guard let elements = reader.array(key, count: Comparison.operandCount) else { return nil }
    let values = elements.compactMap(scalar)
    return values.count == elements.count ? values : nil
  }

  private func ordered(_ place: ObjectReader.Element) -> JSONValue? {
    guard let value = scalar(place) else { return nil }
    guard value.boolValue == nil else {
      faults.add(
        .typeMismatch, at: place.pointer,
        "A number or a string is expected here; true and false have no order.")
      return nil
    }
    return value
  }

  private func between(_ key: String, _ reader: ObjectReader) -> Comparison? {
    guard let ends = reader.array(key, count: 2...2) else { return nil }
    let low = ordered(ends[0])
    let high = ordered(ends[1])
    guard let low, let high else { return nil }
    switch (low, high) {
    case (.number(let a), .number(let b)) where a <= b: return .between(low, high)
    case (.string(let a), .string(let b))
    where !b.utf8.lexicographicallyPrecedes(a.utf8):
      return .between(low, high)
    case (.number, .number), (.string, .string):
      reader.add(.outOfRange, key, "The lower end must come first.")
    default: reader.add(.typeMismatch, key, "Both ends must be numbers, or both strings.")
    }
    return nil
  }

  private func moment(_ place: ObjectReader.Element) -> Moment? {
    switch place.value {
    case "now": return .now
    case .string(let text):
      if let day = CivilDay(text) { return .day(day) }
      // Kept to the millisecond, so that the canonical form loses nothing.
      if let date = Date(rfc3339: text).flatMap({ Date(rfc3339: $0.rfc3339) }) {
        return .instant(date)
      }
    case .object(let object):
      if let reader = ObjectReader(place.value, at: place.pointer, faults: faults),
        object.count == 1, reader.has("ago") || reader.has("ahead")
      {
        let moment =
          reader.duration("ago").map(Moment.ago) ?? reader.duration("ahead").map(Moment.ahead)
        return moment
      }
    default: break
    }
    faults.add(
      place.value.stringValue == nil ? .typeMismatch : .invalidFormat, at: place.pointer,
      "An instant with an offset, a day such as 2026-01-31, \"now\", {\"ago\": \"30d\"} or "
        + "{\"ahead\": \"7d\"} is expected here.")
    return nil
  }

  private func dayOfYear(_ place: ObjectReader.Element) -> DayOfYear? {
    switch place.value {
    case "today": return .daysFromNow(0)
    case .string(let text):
      if let day = CivilDay(text) { return .day(day) }
      if let pair = DayOfYear.monthDay(text) {
        return .monthDay(month: pair.month, day: pair.day)
      }
    case .object(let object) where object.count == 1 && object["days_from_now"] != nil:
      return ObjectReader(place.value, at: place.pointer, faults: faults)?
        .int("days_from_now", range: DayOfYear.daysFromNow).map(DayOfYear.daysFromNow)
    default: break
    }
    faults.add(
      place.value.stringValue == nil ? .typeMismatch : .invalidFormat, at: place.pointer,
      "\"today\", {\"days_from_now\": 7}, a month and day such as 02-29 or a day such as "
        + "2026-02-28 is expected here.")
    return nil
  }
}
