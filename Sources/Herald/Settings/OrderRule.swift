import JSON

/// Which events are orders, and where in them the amount is.
public struct OrderRule: Sendable, Equatable {
  /// Name of the event.
  public var event = "order_paid"
  /// The property that says what was paid.
  public var amount = "amount"
  /// ISO 4217, of all amounts.
  public var currency = "CNY"

  public init() {}

  init(_ reader: ObjectReader) {
    self.init()
    if let event = reader.string("event", minLength: 1, maxLength: 128) { self.event = event }
    if let amount = reader.string("amount", minLength: 1, maxLength: 128) { self.amount = amount }
    if let currency = reader.string("currency", maxLength: 3) {
      if Money(amount: "0", currency: currency) != nil {
        self.currency = currency
      } else {
        reader.add(.invalidFormat, "currency", "A currency of ISO 4217 such as CNY is expected.")
      }
    }
    reader.finish()
  }

  var json: JSONValue {
    ["event": .string(event), "amount": .string(amount), "currency": .string(currency)]
  }

  private static let code: JSONValue = ["type": "string", "pattern": "^[A-Z]{3}$"]
  static let request = Schema.object([
    "event?": Schema.text(1...128), "amount?": Schema.text(1...128), "currency?": code,
  ])
  static let schema = Schema.object([
    "event": Schema.string, "amount": Schema.string, "currency": code,
  ])
}
