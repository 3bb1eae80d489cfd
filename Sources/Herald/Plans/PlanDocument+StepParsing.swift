import Conditions
import Foundation
import JSON

/// Reads the steps of a plan, noting every fault with its place.
struct StepParser {
  private let elements: [ObjectReader.Element]
  private let faults: Faults
  /// What each step is called and is, as far as it can be told: steps are led to before they are read.
  private let outline: [(id: String?, kind: PlanDocument.Step.Kind?)]

  typealias Successor = PlanDocument.Successor

  init(_ reader: ObjectReader) {
    elements = reader.array("steps", required: true, count: 1...50) ?? []
    faults = reader.faults
    outline = elements.map { element in
      let kinds = PlanDocument.Step.Kind.allCases.filter { element.value[$0.rawValue] != nil }
      return (element.value["id"]?.stringValue, kinds.count == 1 ? kinds[0] : nil)
    }
  }

  func steps() -> [PlanDocument.Step] {
    let steps = elements.indices.compactMap(step)
    if steps.count == elements.count {
      for step in PlanDocument.unreachable(steps) {
        faults.add(
          "unreachable_step", at: elements[step.index].pointer.appending("id"),
          "No way leads to the step '\(step.id)'; name it in 'next', 'then' or 'else' of an earlier "
            + "step, or leave it out.")
      }
    }
    return steps
  }

  private func step(_ index: Int) -> PlanDocument.Step? {
    let element = elements[index]
    guard let reader = ObjectReader(element.value, at: element.pointer, faults: faults) else {
      return nil
    }
    let id = reader.string("id", required: true, pattern: .key)
    if let id, outline.prefix(index).contains(where: { $0.id == id }) {
      reader.add("duplicate", "id", "Another step has the id '\(id)'; ids are unique.")
    }
    if id == "end" { reader.add("invalid", "id", "'end' is a reserved word; choose another id.") }
    let kinds = PlanDocument.Step.Kind.allCases.filter { reader.has($0.rawValue) }
    guard let kind = kinds.first, kinds.count == 1 else {
      let names = (kinds.isEmpty ? PlanDocument.Step.Kind.allCases : kinds)
        .map { "'\($0.rawValue)'" }.joined(separator: ", ")
      faults.add(
        kinds.isEmpty ? .required : .invalidFormat, at: element.pointer,
        kinds.isEmpty
          ? "A step has one of \(names)." : "A step does one thing, not \(names) at once.")
      return nil
    }
    var next: Successor?
    if kind == .exit, reader.has("next") {
      reader.add("invalid", "next", "Nothing follows an exit; leave 'next' out.")
      reader.allow("next")
    } else {
      next = target("next", of: reader, index, fallback: following(index))
    }
    if kind == .webhook { next = target("else", of: reader, index, fallback: next) }
    let action = action(kind, reader, index, next)
    reader.finish()
    guard let id, let action else { return nil }
    return PlanDocument.Step(index: index, id: id, action: action, next: next)
  }

  private func action(
    _ kind: PlanDocument.Step.Kind, _ reader: ObjectReader, _ index: Int, _ next: Successor?
  ) -> PlanDocument.Action? {
    switch kind {
    case .send: return send(reader)
    case .webhook: return webhook(reader, index)
    case .wait:
      return reader.duration("wait", required: true, range: TimeSpan.positive)
        .map(PlanDocument.Action.wait)
    case .waitUntil:
      let until = reader.object("wait_until", required: true).flatMap(PlanDocument.WaitUntil.init)
      let then = target("then", of: reader, index, fallback: next)
      let otherwise = target("else", of: reader, index, fallback: next)
      if let until, !until.isEvent, reader.has("else") {
        reader.add("invalid", "else", "A time comes for certain; leave 'else' out.")
      }
      return until.map { .waitUntil($0, then: then, otherwise: otherwise) }
    case .branch:
      let ways = reader.objects("branch", required: true, count: 1...20) { self.way(of: $0, index) }
      let otherwise = target("else", of: reader, index, fallback: next)
      return ways.map { .branch($0, otherwise: otherwise) }
    case .split:
      let shares = shares(reader, index)
      let otherwise = target("else", of: reader, index, fallback: next)
      return .split(shares, otherwise: otherwise)
    case .updateUser: return updateUser(reader)
    case .tag:
      return reader.object("tag", required: true).flatMap(PlanDocument.TagChange.init)
        .map(PlanDocument.Action.tag)
    case .exit:
      guard let exit = reader.object("exit", required: true) else { return nil }
      let reason = exit.string("reason", required: true, pattern: .key)
      exit.finish()
      return reason.map { .exit(reason: $0) }
    }
  }

  // MARK: - Ways out

  private func following(_ index: Int) -> Successor? {
    index + 1 < outline.count ? successor(at: index + 1) : nil
  }

  /// Of a step that has no kind anything will do: it is at fault itself.
  private func successor(at index: Int) -> Successor? {
    outline[index].id.map { Successor(id: $0, kind: outline[index].kind ?? .send) }
  }

  /// `fallback` when the member is absent; nil for 'end'.
  private func target(
    _ key: String, of reader: ObjectReader, _ index: Int, fallback: Successor?,
    required: Bool = false
  ) -> Successor? {
    guard let name = reader.string(key, required: required, maxLength: 64) else { return fallback }
    if name == "end" { return nil }
    let later = outline.indices.dropFirst(index + 1).first { outline[$0].id == name }
    guard let later else {
      reader.add(
        "unknown_step", key,
        "'\(name)' is no later step of this plan; name one that follows, or 'end'.")
      return fallback
    }
    return successor(at: later)
  }

  // MARK: - Kinds

  private func send(_ reader: ObjectReader) -> PlanDocument.Action {
    let notAfter = reader.duration("not_after", range: TimeSpan.positive)
    let send = reader.object("send", required: true)
    let chain = send?.objects("chain", required: true, count: 1...8, PlanDocument.Link.init) ?? []
    send?.finish()
    let length = send?.object["chain"]?.arrayValue?.count ?? 0
    PlanDocument.Link.check(chain, length: length, of: reader.pointer, faults: faults)
    return .send(chain, notAfter: notAfter)
  }

  private func webhook(_ reader: ObjectReader, _ index: Int) -> PlanDocument.Action? {
    guard let webhook = reader.object("webhook", required: true) else { return nil }
    let template = webhook.string("template", required: true, pattern: .key)
    var results: [(name: String, then: Successor?)] = []
    if let object = webhook.object("results") {
      if !(1...20).contains(object.object.keys.count) {
        webhook.add(.outOfRange, "results", "1 to 20 results are expected here.")
      }
      for name in object.object.keys {
        if !TextPattern.key.matches(name) {
          object.add(.invalidFormat, name, "A result is called like a key: a-z, 0-9, '_', '-'.")
        }
        results.append((name, target(name, of: object, index, fallback: nil, required: true)))
      }
      object.finish()
    }
    webhook.finish()
    return template.map {
      .webhook(PlanDocument.Link(webhook: $0), results: results)
    }
  }

  private func way(of reader: ObjectReader, _ index: Int) -> PlanDocument.Way? {
    let test = reader.object("if", required: true).flatMap { self.test($0, index) }
    let then = target("then", of: reader, index, fallback: nil, required: true)
    reader.finish()
    let place = reader.pointer.tokens.last.flatMap { Int($0) } ?? 0
    return test.map { PlanDocument.Way(index: place, test: $0, then: then) }
  }

  private func test(_ reader: ObjectReader, _ index: Int) -> PlanDocument.Test? {
    let before = faults.count
    let condition = reader.value("condition").flatMap {
      Condition.parse($0, at: reader.pointer.appending("condition"), faults: faults)
    }
    let filters = PropertyCondition.list(reader)
    var result: (step: String, is: PlanDocument.StepResult)?
    if let step = reader.string("step", required: reader.has("is"), maxLength: 64) {
      if !outline.prefix(index).contains(where: { $0.id == step && $0.kind?.delivers ?? false }) {
        reader.add(
          "unknown_step", "step", "'\(step)' is no earlier step of this plan that sends something.")
      }
      let word = reader.choice("is", PlanDocument.StepResult.Word.self, required: true)
      result = word.map { (step, $0.result) }
    }
    if filters.isEmpty, !["condition", "where", "step"].contains(where: reader.has) {
      faults.add(
        .required, at: reader.pointer,
        "Say what to test: a 'condition' on the person, 'where' on the properties of the entry, or "
          + "'step' and 'is' for what became of an earlier send.")
    }
    reader.finish()
    guard faults.count == before else { return nil }
    return PlanDocument.Test(condition: condition, filters: filters, result: result)
  }

  private func shares(_ reader: ObjectReader, _ index: Int) -> [PlanDocument.Share] {
    var shares: [PlanDocument.Share] = []
    var total = 0.0
    for element in reader.array("split", required: true, count: 1...20) ?? [] {
      guard let part = ObjectReader(element.value, at: element.pointer, faults: faults) else {
        continue
      }
      let share = part.double("share", required: true, range: 0.0001...1) ?? 0
      let then = target("then", of: part, index, fallback: nil, required: true)
      part.finish()
      let start = Int((total * 10_000).rounded())
      total += share
      let end = Int((total * 10_000).rounded())
      guard end <= 10_000 else {
        part.add(.outOfRange, "share", "The shares add up to more than 1.")
        break
      }
      shares.append(PlanDocument.Share(buckets: start..<end, then: then))
    }
    return shares
  }

  private func updateUser(_ reader: ObjectReader) -> PlanDocument.Action? {
    guard let update = reader.object("update_user", required: true) else { return nil }
    defer { update.finish() }
    guard let value = update.value("attributes", required: true) else { return nil }
    let place = update.pointer.appending("attributes")
    let changes = AttributeChanges(value, at: place, faults)
    if value.objectValue?.isEmpty ?? false {
      update.add(.required, "attributes", "Name at least one attribute to change.")
    }
    return .updateUser(changes)
  }
}
