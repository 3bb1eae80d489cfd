/// The types that values are declared or seen as.
public enum ValueType: String, Sendable, CaseIterable {
  case string, number, integer, boolean, date, instant, array, object

  /// Whether its values are JSON strings.
  public var isText: Bool { self == .string || self == .date || self == .instant }
}

/// What is known of the values of an attribute, a tag or an event's property.
public struct KnownType: Sendable, Equatable {
  public enum Origin: Sendable { case declared, seen }

  public var type: ValueType
  public var origin: Origin
  /// What whoever declared it called the type.
  public var name: String
  /// The only strings it may be; nil: any.
  public var choices: [String]?

  public init(
    _ type: ValueType, _ origin: Origin, name: String? = nil, choices: [String]? = nil
  ) {
    self.type = type
    self.origin = origin
    self.name = name ?? type.rawValue
    self.choices = choices
  }

  /// What to say of it after its name.
  public var words: String {
    guard let choices else {
      return origin == .declared ? "is declared as \(name)" : "was seen as \(name) only"
    }
    let listed = choices.prefix(20).map { "'\($0)'" }.joined(separator: ", ")
    let more = choices.count > 20 ? " and \(choices.count - 20) more" : ""
    return "takes one of \(listed)\(more)"
  }
}
