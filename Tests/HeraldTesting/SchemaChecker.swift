import Foundation
import JSON

/// As much of JSON Schema 2020-12 as Herald's schemas use; throws at a keyword it does not know.
public struct SchemaChecker {
  struct UnknownKeyword: Error { var name: String }

  let root: JSONValue

  public init(root: JSONValue) { self.root = root }

  public func accepts(_ value: JSONValue) throws -> Bool { try accepts(value, root) }

  private func accepts(_ value: JSONValue, _ schema: JSONValue) throws -> Bool {
    guard let schema = schema.objectValue else { return schema.boolValue ?? true }
    for (keyword, rule) in schema where try !holds(keyword, rule, value, schema) { return false }
    return true
  }

  private func holds(
    _ keyword: String, _ rule: JSONValue, _ value: JSONValue, _ schema: JSONObject
  ) throws -> Bool {
    switch keyword {
    case "$schema", "title", "description", "$defs", "components": return true
    case "$ref":
      let target = JSONPointer(String((rule.stringValue ?? "").dropFirst())).flatMap { root[$0] }
      guard let target else { throw UnknownKeyword(name: rule.text) }
      return try accepts(value, target)
    case "type":
      return rule.stringValue == value.kind
        || (rule == "integer" && value.numberValue?.isInteger == true)
    case "const": return value == rule
    case "enum": return rule.arrayValue?.contains(value) ?? false
    case "oneOf": return try rule.arrayValue?.filter { try accepts(value, $0) }.count == 1
    case "anyOf": return try rule.arrayValue?.contains { try accepts(value, $0) } ?? false
    case "format":
      guard let text = value.stringValue, rule == "date-time" else { return true }
      return Date(rfc3339: text) != nil
    case "pattern":
      guard let text = value.stringValue else { return true }
      return text.firstMatch(of: try Regex(rule.stringValue ?? "")) != nil
    default: return try measures(keyword, rule, value, schema)
    }
  }

  private func measures(
    _ keyword: String, _ rule: JSONValue, _ value: JSONValue, _ schema: JSONObject
  ) throws -> Bool {
    let bound = rule.numberValue ?? JSONNumber(0)
    switch keyword {
    case "minLength":
      return value.stringValue.map { $0.unicodeScalars.count >= rule.intValue ?? 0 } ?? true
    case "maxLength":
      return value.stringValue.map { $0.unicodeScalars.count <= rule.intValue ?? 0 } ?? true
    case "minItems": return value.arrayValue.map { $0.count >= rule.intValue ?? 0 } ?? true
    case "maxItems": return value.arrayValue.map { $0.count <= rule.intValue ?? 0 } ?? true
    case "minProperties": return value.objectValue.map { $0.count >= rule.intValue ?? 0 } ?? true
    case "minimum": return value.numberValue.map { $0 >= bound } ?? true
    case "maximum": return value.numberValue.map { $0 <= bound } ?? true
    case "required":
      guard let object = value.objectValue else { return true }
      return rule.arrayValue?.allSatisfy { object[$0.stringValue ?? ""] != nil } ?? true
    case "properties":
      guard let object = value.objectValue else { return true }
      return try object.allSatisfy { try accepts($0.value, rule[$0.key] ?? true) }
    case "additionalProperties":
      guard let object = value.objectValue else { return true }
      let known = schema["properties"]
      return try object.allSatisfy {
        try known?[$0.key] != nil || accepts($0.value, rule)
      }
    case "prefixItems":
      let pairs = zip(value.arrayValue ?? [], rule.arrayValue ?? [])
      return try pairs.allSatisfy { try accepts($0, $1) }
    case "items":
      let skipped = schema["prefixItems"]?.arrayValue?.count ?? 0
      return try (value.arrayValue ?? []).dropFirst(skipped).allSatisfy { try accepts($0, rule) }
    default: throw UnknownKeyword(name: keyword)
    }
  }
}
