import JSON

extension Experiment {
  /// `steps`: of the same document, as far as they could be read.
  init?(_ reader: ObjectReader, steps: [PlanDocument.Step], isStream: Bool) {
    let step = reader.string("step", required: true, pattern: .key)
    let target = step.flatMap { id in steps.first { $0.id == id } }
    let sends = target?.chain.contains { $0.template != nil } ?? false
    if let step, !steps.isEmpty, !sends {
      reader.add(
        "unknown_step", "step", "'\(step)' is no step of this plan that sends a template.")
    }
    let known = target.map { Set($0.chain.compactMap(\.template)) }
    let variants =
      reader.objects("variants", required: true, count: 2...10) { Variant($0, templates: known) }
      ?? []
    for (place, variant) in variants.enumerated()
    where variants.prefix(place).contains(where: { $0.key == variant.key }) {
      reader.faults.add(
        "duplicate", at: reader.pointer.appending("variants").appending(place).appending("key"),
        "Another variant has the key '\(variant.key)'; keys are unique.")
    }
    let mode = reader.choice("mode", Mode.self) ?? .ab
    if mode == .race {
      race = Race(reader, target, isStream: isStream)
    } else {
      race = nil
      for member in ["share", "observe", "metric", "rule", "if_insufficient"]
      where reader.has(member) {
        reader.allow(member)
        reader.add("invalid", member, "Only an experiment with \"mode\": \"race\" has '\(member)'.")
      }
    }
    reader.finish()
    guard let step else { return nil }
    self.step = step
    self.variants = variants
  }
}

extension Experiment.Variant {
  fileprivate init?(_ reader: ObjectReader, templates known: Set<String>?) {
    let key = reader.string("key", required: true, pattern: .key)
    if let key, Experiment.reserved.contains(key) {
      reader.add("invalid", "key", "'\(key)' is a reserved word; choose another key.")
    }
    var templates: [String: String] = [:]
    if let object = reader.object("templates", required: true) {
      for name in object.object.keys {
        templates[name] = object.string(name, pattern: .key)
        if let known, !known.contains(name) {
          object.add(
            "unknown_template", name, "The step's chain sends no template '\(name)'.")
        }
      }
      object.finish()
    }
    reader.finish()
    guard let key else { return nil }
    self.key = key
    self.templates = templates
  }
}

extension Experiment.Race {
  /// Of a crowd a share races; a stream has no rest that could wait, so that all race there whatever
  /// the share says.
  fileprivate init?(_ reader: ObjectReader, _ step: PlanDocument.Step?, isStream: Bool) {
    let share = reader.double("share", required: !isStream, range: 0.001...1)
    let observe = reader.duration("observe", required: true, range: TimeSpan.positive)
    metric = reader.choice("metric", Experiment.Metric.self) ?? .clickRate
    rule = reader.choice("rule", Experiment.Rule.self) ?? .highest
    ifInsufficient = reader.object("if_insufficient").flatMap {
      Experiment.Insufficient($0, observe: observe)
    }
    if !isStream, let observe, let limit = step?.notAfter, limit.seconds <= observe.seconds {
      reader.add(
        .outOfRange, "observe",
        "Who waits for the winner would get it after the step's 'not_after'; make that longer.")
    }
    guard let observe else { return nil }
    self.observe = observe
    self.share = isStream ? 1 : share ?? 1
  }
}

extension Experiment.Insufficient {
  fileprivate init?(_ reader: ObjectReader, observe: TimeSpan?) {
    extendUntil = reader.duration("extend_until", range: TimeSpan.positive)
    if let extendUntil, let observe, extendUntil.seconds <= observe.seconds {
      reader.add(.outOfRange, "extend_until", "It must be longer than 'observe'.")
    }
    let then = reader.choice("then", Fallback.self, required: true)
    reader.finish()
    guard let then else { return nil }
    self.then = then
  }
}

extension Experiment {
  static let schema = Schema.object([
    "step": Schema.key,
    "variants": [
      "type": "array", "minItems": 2, "maxItems": 10,
      "items": Schema.object(["key": Schema.key, "templates": Schema.map(Schema.key)]),
    ],
    "mode?": Schema.choice(Mode.allCases.map(\.rawValue)),
    "share?": ["type": "number", "minimum": .double(0.001), "maximum": 1],
    "observe?": Schema.duration, "metric?": Schema.choice(Metric.allCases.map(\.rawValue)),
    "rule?": Schema.choice(Rule.allCases.map(\.rawValue)),
    "if_insufficient?": Schema.object([
      "extend_until?": Schema.duration,
      "then": Schema.choice(Insufficient.Fallback.allCases.map(\.rawValue)),
    ]),
  ])
}
