import Foundation
import JSON

/// Changes of a user's attributes, in the order they are to be made.
public struct AttributeChanges: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  public struct Step: Sendable, Equatable {
    public let key: String
    public let operation: AttributeOperation
  }

  public private(set) var steps: [Step] = []

  public init() {}

  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    for (key, value) in elements { set(key, value) }
  }

  public var isEmpty: Bool { steps.isEmpty }
  /// Whether it can be done without knowing what there is.
  var isPlain: Bool { steps.allSatisfy(\.operation.isPlain) }
  var keys: [String] { steps.map(\.key) }

  /// Null removes.
  public mutating func set(_ key: String, _ value: JSONValue) {
    steps.append(Step(key: key, operation: value.isNull ? .unset : .set(value)))
  }

  /// With other values to be set.
  func mapValues(_ transform: (String, JSONValue) -> JSONValue) -> AttributeChanges {
    var mapped = AttributeChanges()
    mapped.steps = steps.map { step in
      guard case .set(let value) = step.operation else { return step }
      return Step(key: step.key, operation: .set(transform(step.key, value)))
    }
    return mapped
  }

  mutating func append(_ operation: AttributeOperation, to key: String) {
    steps.append(Step(key: key, operation: operation))
  }

  mutating func append(_ later: AttributeChanges) { steps += later.steps }

  /// The last value of each attribute, null where it is removed. Only of plain changes.
  var plain: JSONObject {
    var plain = JSONObject()
    for step in steps {
      if case .set(let value) = step.operation { plain[step.key] = value }
      if case .unset = step.operation { plain[step.key] = .null }
    }
    return plain
  }

  /// Does them to `attributes`; what the touched ones have become, as plain changes. A fault points
  /// to the attribute, and leaves `attributes` as they were.
  func apply(to attributes: inout JSONObject) throws(JSONFault) -> AttributeChanges {
    var values = attributes
    var touched = AttributeChanges()
    for step in steps {
      let before = values[step.key]
      let value: JSONValue?
      do throws(JSONFault) { value = try step.operation.applied(to: before) } catch {
        throw error.inside(JSONPointer(tokens: [step.key]))
      }
      values[step.key] = value
      if value != nil || before != nil { touched.set(step.key, value ?? .null) }
    }
    attributes = values
    return touched
  }

  /// As they stand in a request. Only of changes that name no attribute twice.
  var json: JSONObject { JSONObject(steps.map { ($0.key, $0.operation.json) }) }

  /// Reads `attributes` of a request; `isLenient` for those of clients who know of no operations.
  init(
    _ value: JSONValue, at pointer: JSONPointer, _ faults: Faults, isLenient: Bool = false
  ) {
    guard case .object(let object) = value else {
      faults.add(
        .typeMismatch, at: pointer, "An object is expected here, not \(value.article).")
      return
    }
    if object.count > 500 {
      faults.add(.tooLong, at: pointer, "At most 500 attributes can be set at once.")
    }
    for (key, value) in object {
      guard AttributeName.isValid(key) else {
        faults.add(.invalidFormat, at: pointer.appending(key), AttributeName.expectation)
        continue
      }
      do throws(JSONFault) {
        let operation = try AttributeOperation(value, isLenient: isLenient)
        steps.append(Step(key: key, operation: operation))
      } catch {
        faults.add(error.inside(pointer.appending(key)))
      }
    }
  }
}

/// The attributes of users while changes are made to them one after the other. Their rows must be
/// locked, or be about to be inserted.
struct AttributeSheet {
  private var attributes: [UUID: JSONObject]

  init(_ attributes: [UUID: JSONObject]) { self.attributes = attributes }

  /// What is left to be written. A fault leaves the user as they were.
  mutating func apply(
    _ changes: AttributeChanges, to user: UUID
  ) throws(JSONFault) -> AttributeChanges {
    var known = attributes[user] ?? [:]
    let plain = try changes.apply(to: &known)
    attributes[user] = known
    return plain
  }
}
