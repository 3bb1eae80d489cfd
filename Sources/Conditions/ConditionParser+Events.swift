import JSON

extension ConditionParser {
  func event(_ reader: ObjectReader) -> Condition? {
    let name = eventName(reader)
    let within = window("within", reader)
    let filters = filters(reader)
    let sum = reader.string("sum", minLength: 1, maxLength: 128)
    var comparisons: [Comparison] = []
    var measure = EventCondition.Measure.count
    if reader.has("sum") {
      comparisons = numeric(reader)
      if reader.has("count") {
        reader.add(.invalidFormat, "count", "Either 'sum' or 'count' can be asked of one event.")
        reader.allow("count")
      }
      if comparisons.isEmpty,
        !Comparison.Operator.numeric.contains(where: { reader.has($0.rawValue) })
      {
        faults.add(.required, at: reader.pointer, "A sum needs an operator, such as \"gte\": 500.")
      }
      measure = .sum(property: sum ?? "")
    } else if reader.has("count") {
      if let count = reader.object("count") {
        comparisons = numeric(count)
        requireOperator(comparisons, count)
        count.finish()
      }
    } else {
      comparisons = [.gte(1)]
    }
    return name.map {
      .event(
        EventCondition(
          name: $0, filters: filters, within: within, measure: measure, comparisons: comparisons))
    }
  }

  func sequence(_ reader: ObjectReader) -> Condition? {
    let elements = reader.array("sequence", count: SequenceCondition.stepCount)
    let absent = reader.string("absent")
    if let absent, absent != "last" {
      reader.add(.invalidChoice, "absent", "Only \"last\" is possible here.")
    }
    let steps = elements?.enumerated().compactMap { step($1, isFirst: $0 == 0) }
    return steps.map { .sequence(SequenceCondition(steps: $0, lastIsAbsent: absent != nil)) }
  }

  private func step(
    _ element: ObjectReader.Element, isFirst: Bool
  ) -> SequenceCondition.Step? {
    guard countNode(at: element.pointer),
      let reader = ObjectReader(element.value, at: element.pointer, faults: faults)
    else { return nil }
    let name = eventName(reader)
    let within = window("within", reader)
    let same = reader.string("same", minLength: 1, maxLength: 128)
    let filters = filters(reader)
    if isFirst, reader.has("same") {
      reader.add(.invalidFormat, "same", "The first step has none before it to be the same as.")
    }
    if !isFirst, case .calendar = within {
      reader.add(
        .invalidFormat, "within",
        "After the first step this is the time since the step before: a duration such as \"2h\".")
    }
    reader.finish()
    return name.map {
      SequenceCondition.Step(name: $0, filters: filters, within: within, same: same)
    }
  }

  /// `where`: property conditions that must all hold.
  func filters(_ reader: ObjectReader) -> [PropertyCondition] {
    let elements = reader.array("where", count: 0...100) ?? []
    return elements.compactMap { element in
      guard countNode(at: element.pointer),
        let filter = ObjectReader(element.value, at: element.pointer, faults: faults)
      else { return nil }
      let key = filter.string("property", required: true, minLength: 1, maxLength: 128)
      let comparisons = comparisons(filter)
      requireOperator(comparisons, filter)
      filter.finish()
      return key.map { PropertyCondition(key: $0, comparisons: comparisons) }
    }
  }

  /// `"30d"` or `{"last": {"days": 7, "zone": "user"}}`.
  func window(_ key: String, _ reader: ObjectReader) -> Window? {
    guard let value = reader.value(key) else { return nil }
    if case .object = value, let outer = reader.object(key) {
      defer { outer.finish() }
      guard let last = outer.object("last", required: true) else { return nil }
      let days = last.int("days", required: true, range: Window.calendarDays)
      let name = last.string("zone", maxLength: 64)
      last.finish()
      let zone = name.map(Zone.init) ?? .user
      if zone == nil {
        last.add(
          .invalidFormat, "zone", "\"user\" or an IANA zone such as Asia/Shanghai is expected here."
        )
      }
      guard let days, let zone else { return nil }
      return .calendar(days: days, zone: zone)
    }
    guard value.stringValue != nil else {
      reader.add(
        .typeMismatch, key,
        "A duration such as \"30d\" or {\"last\": {\"days\": 7}} is expected here.")
      return nil
    }
    guard let span = reader.duration(key) else { return nil }
    guard span.seconds > 0 else {
      reader.add(.outOfRange, key, "A duration of at least a second is expected here.")
      return nil
    }
    return .rolling(span)
  }

  private func eventName(_ reader: ObjectReader) -> String? {
    reader.string("event", required: true, minLength: 1, maxLength: 200)
  }

  /// The numeric operators of an object, with numbers for operands.
  private func numeric(_ reader: ObjectReader) -> [Comparison] {
    let operators = Comparison.Operator.numeric
    let comparisons = comparisons(reader, operators)
    for comparison in comparisons where !comparison.isNumeric {
      reader.add(.typeMismatch, comparison.operator.rawValue, "A number is expected here.")
    }
    return comparisons
  }
}

extension Comparison {
  fileprivate var isNumeric: Bool {
    switch self {
    case .eq(let value), .ne(let value), .gt(let value), .gte(let value), .lt(let value),
      .lte(let value), .between(let value, _):
      value.numberValue != nil
    default: false
    }
  }
}
