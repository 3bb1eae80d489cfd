import Conditions
import JSON
import Postgres

/// What is known of all that some conditions compare with: of what type it is declared to be, or else
/// the only one it was ever seen with.
struct ConditionTypes {
  private var attributes: [String: KnownType] = [:]
  private var tags: [String: KnownType] = [:]
  /// By event.
  private var properties: [String: [String: KnownType]] = [:]

  /// A condition with where it was parsed from.
  typealias Placed = (pointer: JSONPointer, condition: Condition)

  /// Notes operands that do not fit, each at its place. For what is being saved: what is stored stays
  /// as it is, whatever is declared or seen later.
  static func check(_ conditions: [Placed], faults: Faults, in db: any Queryable) throws {
    let types = try ConditionTypes(of: conditions.map(\.condition), in: db)
    for (pointer, condition) in conditions {
      condition.checkTypes(at: pointer, faults: faults) { types[$0] }
    }
  }

  init(of conditions: [Condition], in db: any Queryable) throws {
    let references = Condition.all(conditions).referenced
    if !references.attributes.isEmpty || !references.events.isEmpty {
      let seen = try CatalogueStore.seenTypes(
        of: references.events, attributes: references.attributes, in: db)
      properties = seen.mapValues { $0.mapValues { KnownType($0, .seen) } }
      attributes = properties.removeValue(forKey: "") ?? [:]
    }
    if !references.events.isEmpty {
      let declared = try CatalogueStore.declaredTypes(of: references.events, in: db)
      for (event, types) in declared {
        for (property, type) in types {
          properties[event, default: [:]][property] = KnownType(type, .declared)
        }
      }
    }
    let declared = try AttributeStore.types(of: Set(references.attributes), in: db)
    for key in references.attributes {
      guard let type = declared[key].flatMap({ ValueType(rawValue: $0.rawValue) }) else { continue }
      attributes[key] = KnownType(type, .declared)
    }
    if !references.tags.isEmpty {
      tags = try TagStore.find(references.tags, in: db).mapValues(\.tag.knownType)
    }
  }

  subscript(_ subject: Condition.Subject) -> KnownType? {
    switch subject {
    case .attribute(let key): attributes[key]
    case .tag(let key): tags[key]
    case .property(let key, let event): properties[event]?[key]
    }
  }
}

extension Tag {
  fileprivate var knownType: KnownType {
    let values: ValueType =
      switch type {
      case .flag: .boolean
      case .number: .number
      case .text, .choice: .string
      }
    return KnownType(
      values, .declared, name: type.rawValue, choices: type == .choice ? choices : nil)
  }
}
