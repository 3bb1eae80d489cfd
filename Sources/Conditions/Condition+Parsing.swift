import JSON

extension Condition {
  /// The condition a document spells. Nil when anything is wrong with it; `faults` then has grown
  /// by every fault found, each with its place.
  public static func parse(
    _ json: JSONValue, at pointer: JSONPointer = .root, faults: Faults
  ) -> Condition? {
    let before = faults.count
    let parser = ConditionParser(faults: faults)
    let condition = parser.condition(.init(value: json, pointer: pointer), depth: 1)
    return faults.count == before ? condition : nil
  }
}

/// Reads one condition document; it lives as long as that takes.
final class ConditionParser {
  let faults: Faults
  private var nodes = 0

  init(faults: Faults) { self.faults = faults }

  static let kinds = [
    "all", "any", "not", "attribute", "tag", "event", "sequence", "consent", "reachable", "segment",
    "received", "bucket",
  ]

  /// Counts a node; false, with one fault for the whole document, when there are too many.
  func countNode(at pointer: JSONPointer) -> Bool {
    nodes += 1
    if nodes == Condition.maximumNodes + 1 {
      faults.add(
        .tooComplex, at: pointer,
        "A condition may have at most \(Condition.maximumNodes) parts; this is one more.")
    }
    return nodes <= Condition.maximumNodes
  }

  func condition(_ element: ObjectReader.Element, depth: Int) -> Condition? {
    guard countNode(at: element.pointer) else { return nil }
    guard depth <= Condition.maximumDepth else {
      faults.add(
        .tooComplex, at: element.pointer,
        "Conditions may be nested at most \(Condition.maximumDepth) deep.")
      return nil
    }
    guard let reader = ObjectReader(element.value, at: element.pointer, faults: faults) else {
      return nil
    }
    let kinds = Self.kinds.filter(reader.has)
    guard let kind = kinds.first, kinds.count == 1 else {
      let names = (kinds.isEmpty ? Self.kinds : kinds).map { "'\($0)'" }.joined(separator: ", ")
      faults.add(
        kinds.isEmpty ? .required : .invalidFormat, at: element.pointer,
        kinds.isEmpty
          ? "A condition has one of \(names)."
          : "A condition has one kind, not \(names) at once; combine them with 'all' or 'any'.")
      return nil
    }
    let condition = node(kind, reader, depth: depth)
    reader.finish()
    return condition
  }

  private func node(_ kind: String, _ reader: ObjectReader, depth: Int) -> Condition? {
    switch kind {
    case "all": return parts("all", reader, depth: depth, least: 0).map(Condition.all)
    case "any": return parts("any", reader, depth: depth, least: 1).map(Condition.any)
    case "not":
      return reader.value("not").flatMap { value in
        condition(
          .init(value: value, pointer: reader.pointer.appending("not")), depth: depth + 1)
      }.map(Condition.not)
    case "attribute": return attribute(reader)
    case "tag": return tag(reader)
    case "event": return event(reader)
    case "sequence": return sequence(reader)
    case "consent":
      let channel = channel("consent", reader)
      let answer = reader.choice("is", ConsentCondition.Answer.self)
      return channel.map { .consent(ConsentCondition(channel: $0, answer: answer ?? .granted)) }
    case "reachable": return channel("reachable", reader).map { .reachable(channel: $0) }
    case "segment":
      return reader.string("segment", pattern: .key).map { .segment(key: $0) }
    case "received":
      let plan = reader.string("received", pattern: .key)
      let within = window("within", reader)
      return plan.map { .received(ReceivedCondition(plan: $0, within: within)) }
    default: return bucket(reader)
    }
  }

  private func parts(
    _ key: String, _ reader: ObjectReader, depth: Int, least: Int
  ) -> [Condition]? {
    reader.array(key, count: least...Condition.maximumNodes)?
      .compactMap { condition($0, depth: depth + 1) }
  }

  private func attribute(_ reader: ObjectReader) -> Condition? {
    let key = reader.string("attribute", minLength: 1, maxLength: 128)
    let comparisons = comparisons(reader)
    requireOperator(comparisons, reader)
    return key.map { .attribute(AttributeCondition(key: $0, comparisons: comparisons)) }
  }

  private func tag(_ reader: ObjectReader) -> Condition? {
    let key = reader.string("tag", pattern: .key)
    let comparisons = comparisons(reader)
    return key.map {
      .tag(TagCondition(key: $0, comparisons: comparisons.isEmpty ? [.exists(true)] : comparisons))
    }
  }

  private func bucket(_ reader: ObjectReader) -> Condition? {
    let ends = reader.array("bucket", count: 2...2)
    let salt = reader.string("salt", minLength: 1, maxLength: 64)
    guard let ends else { return nil }
    let numbers = ends.map { $0.value.intValue }
    guard let low = numbers[0], let high = numbers[1], low >= 0, low <= high, high < 10_000 else {
      reader.add(
        .outOfRange, "bucket", "Two integers from 0 to 9999 are expected here, the lower first.")
      return nil
    }
    return .bucket(
      BucketCondition(range: low...high, salt: salt ?? BucketCondition.defaultSalt))
  }

  private func channel(_ key: String, _ reader: ObjectReader) -> String? {
    guard let channel = reader.string(key) else { return nil }
    guard Condition.channels.contains(channel) else {
      let names = Condition.channels.map { "'\($0)'" }.joined(separator: ", ")
      reader.add(.invalidChoice, key, "One of \(names) is expected here.")
      return nil
    }
    return channel
  }

  func requireOperator(_ comparisons: [Comparison], _ reader: ObjectReader) {
    // A faulty operator has its own fault.
    let names = Comparison.Operator.allCases.map(\.rawValue)
    guard comparisons.isEmpty, !names.contains(where: reader.has) else { return }
    faults.add(
      .required, at: reader.pointer,
      "An operator is missing: \(names.joined(separator: ", ")).")
  }
}
