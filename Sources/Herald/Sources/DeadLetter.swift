import Foundation
import JSON

/// What came in rightly signed and could not become an event.
struct DeadLetter: Sendable {
  let source: String
  let id: UUID
  let receivedAt: Date
  /// Its place among the items of its request or page.
  let index: Int
  let deliveryID: String?
  /// Not empty.
  let faults: [JSONValue]
  let headers: JSONObject
  /// The item's JSON, or the whole body when it was no JSON.
  let body: [UInt8]
  /// The body was too long to be kept whole; it cannot be replayed.
  let isTruncated: Bool
  var tries = 1
  var triedAt: Date?

  static let bodyBytes = 256 << 10
  /// Of one source; the oldest go.
  static let limit = 10_000
  static let retention: TimeInterval = 30 * 86_400

  init(
    source: String, id: UUID, receivedAt: Date, index: Int, deliveryID: String?,
    faults: [JSONValue], headers: JSONObject, body: [UInt8]
  ) {
    self.source = source
    self.id = id
    self.receivedAt = receivedAt
    self.index = index
    self.deliveryID = deliveryID
    self.faults = Array(faults.prefix(20))
    self.headers = headers
    self.body = Array(body.prefix(Self.bodyBytes))
    isTruncated = body.count > Self.bodyBytes
  }

  init(
    source: String, id: UUID, receivedAt: Date, index: Int, deliveryID: String?,
    faults: [JSONValue], headers: JSONObject, body: [UInt8], isTruncated: Bool, tries: Int,
    triedAt: Date?
  ) {
    self.source = source
    self.id = id
    self.receivedAt = receivedAt
    self.index = index
    self.deliveryID = deliveryID
    self.faults = faults
    self.headers = headers
    self.body = body
    self.isTruncated = isTruncated
    self.tries = tries
    self.triedAt = triedAt
  }
}

extension DeadLetter {
  /// In lists bodies beyond this are left to the GET of one.
  static let listedBytes = 16 << 10

  func json(whole: Bool) -> JSONValue {
    let shows = whole || body.count <= Self.listedBytes
    let value = shows ? try? JSONScanner.parse(body) : nil
    let text = shows && value == nil ? String(decoding: body, as: UTF8.self) : nil
    return [
      "id": .id(id), "received_at": .instant(receivedAt), "index": .int(index),
      "delivery_id": .optional(deliveryID), "faults": .array(faults),
      "headers": .object(headers), "body": value ?? .null, "text": .optional(text),
      "bytes": .int(body.count), "truncated": .bool(isTruncated), "tries": .int(tries),
      "tried_at": .instant(triedAt),
    ]
  }
}

extension MappingFault {
  var json: JSONValue {
    [
      "code": .string(fault.code.rawValue), "pointer": .string(fault.pointer.description),
      "field": .string(field.description), "detail": .string(fault.detail),
    ]
  }
}
