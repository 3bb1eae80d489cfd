import Foundation
import JSON

/// How long what grows with time is kept. Whole months go; nil keeps a table for ever.
public struct Retention: Sendable, Equatable {
  /// Within this many days a message that comes again is known again.
  public var messageIDDays = 90
  public var eventMonths: Int?
  /// Of deliveries and their attempts. The totals of dropped deliveries stay in the accounting.
  public var deliveryMonths: Int?
  public var receiptMonths: Int?
  /// Of jobs that are over, with their error lines, which may quote what was uploaded.
  public var jobDays: Int? = 90

  public init() {}

  static let jobRange = 1...3650
  static let messageIDRange = 1...3650
  static let monthRange = 1...1200
}

extension Retention {
  init(_ reader: ObjectReader) {
    self.init()
    if let days = reader.int("message_id_days", range: Self.messageIDRange) {
      messageIDDays = days
    }
    eventMonths = Self.months("event_months", reader)
    deliveryMonths = Self.months("delivery_months", reader)
    receiptMonths = Self.months("receipt_months", reader)
    if reader.isNull("job_days") {
      reader.allow("job_days")
      jobDays = nil
    } else if let days = reader.int("job_days", range: Self.jobRange) {
      jobDays = days
    }
    reader.finish()
  }

  private static func months(_ key: String, _ reader: ObjectReader) -> Int? {
    if reader.isNull(key) {
      reader.allow(key)
      return nil
    }
    return reader.int(key, range: monthRange)
  }

  var json: JSONValue {
    [
      "message_id_days": .int(messageIDDays), "event_months": .optional(eventMonths),
      "delivery_months": .optional(deliveryMonths), "receipt_months": .optional(receiptMonths),
      "job_days": .optional(jobDays),
    ]
  }

  static func schema(optional: Bool) -> JSONValue {
    let mark = optional ? "?" : ""
    let months = Schema.nullable(Schema.integer(monthRange))
    return Schema.object([
      "message_id_days" + mark: Schema.integer(messageIDRange), "event_months" + mark: months,
      "delivery_months" + mark: months, "receipt_months" + mark: months,
      "job_days" + mark: Schema.nullable(Schema.integer(jobRange)),
    ])
  }
}
