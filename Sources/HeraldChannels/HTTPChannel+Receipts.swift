import Cryptography
import Foundation
import HTTP
import Herald
import JSON

extension HTTPChannel {
  private static let maximumReceipts = 1000

  func receipts(_ request: Request, now: Date) throws -> ReceiptBatch {
    try verify(request, now: now)
    let body: JSONValue
    do {
      body = try JSONScanner.parse(request.body)
    } catch {
      throw HeraldError(
        .malformedJSON, error.detail, pointer: error.pointer.description, faults: [error])
    }
    let faults = Faults()
    guard let reader = ObjectReader(body, faults: faults) else {
      throw HeraldError.invalid(faults.all)
    }
    let items = reader.array("receipts", required: true, count: 0...Self.maximumReceipts) ?? []
    reader.finish()
    guard faults.isEmpty else { throw HeraldError.invalid(faults.all) }
    var batch = ReceiptBatch()
    for (index, item) in items.enumerated() {
      let faults = Faults(limit: 1)
      if let receipt = Self.receipt(item, index, faults) {
        batch.receipts.append(receipt)
      } else if let fault = faults.all.first {
        batch.rejected.append(.init(index: index, fault: fault))
      }
    }
    return batch
  }

  /// 401 without a word on what was wrong.
  private func verify(_ request: Request, now: Date) throws {
    do {
      try StandardWebhooks.verify(
        id: request.headers["webhook-id"] ?? "",
        timestamp: request.headers["webhook-timestamp"] ?? "",
        signature: request.headers["webhook-signature"] ?? "", body: request.body,
        now: Int(exactly: now.timeIntervalSince1970.rounded(.down)) ?? 0, secrets: secrets)
    } catch {
      throw HeraldError(
        .unauthorized,
        "The signature does not hold: sign `webhook-id.webhook-timestamp.body` with the sender's "
          + "secret after Standard Webhooks, at most 5 minutes before sending.")
    }
  }

  /// Nil with a fault when the item is not in order.
  private static func receipt(
    _ item: ObjectReader.Element, _ index: Int, _ faults: Faults
  ) -> Receipt? {
    guard let reader = ObjectReader(item.value, at: item.pointer, faults: faults) else {
      return nil
    }
    let id = reader.string("delivery_id", required: true)
    let event = reader.choice("event", Receipt.Event.self, required: true)
    let at = reader.instant("at", required: true)
    if let id, UUID(uuidString: id) == nil {
      reader.add(.invalidFormat, "delivery_id", "The `delivery_id` of a delivery is expected here.")
    }
    reader.finish()
    guard faults.isEmpty, let id = id.flatMap(UUID.init(uuidString:)), let event, let at else {
      return nil
    }
    return Receipt(index: index, deliveryID: id, event: event, at: at)
  }
}
