import JSON

/// What came of moving the people inside one version to another.
struct PlanMigration: Sendable {
  struct Versions: Sendable {
    let from: Int
    let to: Int

    init?(_ reader: ObjectReader) {
      let from = reader.int("from", required: true, range: 1...Int(Int32.max))
      let to = reader.int("to", required: true, range: 1...Int(Int32.max))
      guard let from, let to else { return nil }
      if from == to { reader.add("invalid", "to", "Name another version than 'from'.") }
      self.from = from
      self.to = to
    }
  }

  let versions: Versions
  let moved: Int
  /// By step: those who stay, since the other version has no such step, or one that sends otherwise
  /// while their message is under way.
  let stayed: [String: Int]
  /// Those a worker was just about to do something for. Asking again moves them.
  let busy: Int

  var json: JSONValue {
    [
      "from": .int(versions.from), "to": .int(versions.to), "moved": .int(moved),
      "stayed": .counts(stayed), "busy": .int(busy),
    ]
  }

  static let schema = Schema.object([
    "from": Schema.count, "to": Schema.count, "moved": Schema.count, "stayed": Schema.counts,
    "busy": Schema.count,
  ])
}

extension PlanDocument {
  /// Steps of this version at which people may be moved to `other`: in any case, and only as long as
  /// no message of theirs is under way.
  func steps(sharedWith other: PlanDocument) -> (always: [String], beforeSending: [String]) {
    var always: [String] = []
    var beforeSending: [String] = []
    for step in steps {
      guard let there = other.step(step.id), there.kind == step.kind else { continue }
      if !step.kind.delivers || step.chain == there.chain {
        always.append(step.id)
      } else {
        beforeSending.append(step.id)
      }
    }
    return (always, beforeSending)
  }
}
