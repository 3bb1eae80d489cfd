import JSON

/// What a coupon is worth at the till.
public struct Discount: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    case amountOff(Money)
    /// More than 0 and at most 100.
    case percentOff(JSONNumber)
    case freeItem(String?)
    case freeShipping
  }

  enum Name: String, CaseIterable {
    case amountOff = "amount_off"
    case percentOff = "percent_off"
    case freeItem = "free_item"
    case freeShipping = "free_shipping"
  }

  public let kind: Kind
  /// The order must be worth at least this.
  public let minimum: Money?

  init?(_ reader: ObjectReader) {
    let name = reader.choice("type", Name.self, required: true)
    let minimum = reader.money("minimum", allowsZero: true)
    switch name {
    case .amountOff:
      guard let value = reader.money("value", required: true) else { return nil }
      if let minimum, minimum.currency != value.currency {
        reader.add("invalid", "minimum", "The minimum is in another currency than the value.")
      }
      kind = .amountOff(value)
    case .percentOff:
      guard let value = reader.number("value", required: true) else { return nil }
      guard value > JSONNumber(0), value <= JSONNumber(100) else {
        reader.add(.outOfRange, "value", "A percentage over 0 and up to 100 is expected here.")
        return nil
      }
      kind = .percentOff(value)
    case .freeItem: kind = .freeItem(reader.string("item", minLength: 1, maxLength: 200))
    case .freeShipping: kind = .freeShipping
    case nil:
      reader.allow("value", "item")
      return nil
    }
    self.minimum = minimum
  }

  public var json: JSONValue {
    var object = JSONObject()
    switch kind {
    case .amountOff(let value):
      object["type"] = .string(Name.amountOff.rawValue)
      object["value"] = value.json
    case .percentOff(let value):
      object["type"] = .string(Name.percentOff.rawValue)
      object["value"] = .number(value)
    case .freeItem(let item):
      object["type"] = .string(Name.freeItem.rawValue)
      if let item { object["item"] = .string(item) }
    case .freeShipping: object["type"] = .string(Name.freeShipping.rawValue)
    }
    if let minimum { object["minimum"] = minimum.json }
    return .object(object)
  }
}
