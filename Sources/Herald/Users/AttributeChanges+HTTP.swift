import JSON

extension UserSchema {
  /// A value sets, null removes, an object of one `$…` member operates on what there is.
  static let attributeChanges: JSONValue = [
    "type": "object",
    "description": .string(
      "Attributes by name. A value sets the attribute, null removes it. An object whose only member "
        + "begins with $ is an operation on the value there is: {\"$increment\": 5} adds to a number "
        + "(absent counts as 0), {\"$append\": x} and {\"$remove\": x} change an array, x being one "
        + "element or an array of several, {\"$set_if_absent\": x} sets what is absent or null, "
        + "{\"$unset\": true} removes, {\"$set\": x} sets (for a value that would look like an "
        + "operation). An operation that does not fit the value is a 422 at its place, or in a "
        + "batch the refusal of its item."),
    "additionalProperties": Schema.oneOf([operation, Schema.any]),
  ]

  private static let operation = Schema.oneOf([
    Schema.object(["$increment": Schema.number]), Schema.object(["$append": Schema.any]),
    Schema.object(["$remove": Schema.any]), Schema.object(["$set_if_absent": Schema.any]),
    Schema.object(["$unset": ["const": true]]), Schema.object(["$set": Schema.any]),
  ])
}
