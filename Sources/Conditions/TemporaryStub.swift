import JSON
public struct Condition: Sendable {
  public var json: JSONValue
  public static func parse(_ value: JSONValue, at: JSONPointer, faults: Faults) -> Condition? { Condition(json: value) }
}
