import Foundation
import JSON

extension Overview {
  func json(masked: Bool, unknown: UnknownConsent) -> JSONValue {
    [
      "user": user.json(masked: masked, unknown: unknown), "orders": ordersJSON(masked: masked),
      "events": .array(
        events.map {
          [
            "name": .string($0.name), "count": .int($0.count), "first_at": .instant($0.firstAt),
            "last_at": .instant($0.lastAt),
          ]
        }),
      "tags": .array(
        tags.map { tag in
          let json = tag.json
          return masked ? UserMask.masked(json) : json
        }),
      "consents": .array(consents.map(\.json)),
      "reach": .object(
        JSONObject(reach(unknown).map { (key: $0.channel.rawValue, value: .string($0.verdict)) })),
      "messages": [
        "deliveries": .counts(deliveries), "last_sent_at": .instant(lastSentAt),
        "receipts": .counts(receipts),
      ],
      "coupons": ["issued": .int(couponsIssued), "redeemed": .int(couponsRedeemed)],
      "merged": .array(merged.map(JSONValue.id)),
    ]
  }

  private func ordersJSON(masked: Bool) -> JSONValue {
    func money(_ amount: String?) -> JSONValue {
      amount.map { ["amount": .string($0), "currency": .string(currency)] } ?? .null
    }
    return [
      "count": .int(orders.count), "total": money(orders.total), "average": money(orders.average),
      "first_at": .instant(orders.firstAt), "last_at": .instant(orders.lastAt),
      "last": orders.last.map { masked ? UserMask.masked($0) : $0 } ?? .null,
    ]
  }

  static let schema: JSONValue = {
    let money = Schema.object(["amount": Schema.string, "currency": Schema.string])
    let instant = Schema.nullable(Schema.instant)
    let orders = Schema.object([
      "count": Schema.count, "total": money, "average": Schema.nullable(money),
      "first_at": instant, "last_at": instant,
      "last": Schema.nullable(Schema.map(Schema.any)),
    ])
    let events = Schema.array(
      Schema.object([
        "name": Schema.string, "count": Schema.count, "first_at": Schema.instant,
        "last_at": Schema.instant,
      ]))
    let verdict = Schema.choice([
      "reachable", "no_consent", "denied", "suppressed", "no_address",
    ])
    return Schema.object([
      "user": Schema.ref("User"), "orders": orders, "events": events,
      "tags": Schema.array(Schema.ref("UserTag")),
      "consents": Schema.array(Schema.ref("Consent")),
      "reach": Schema.members(Channel.allCases.map { ($0.rawValue, verdict) }),
      "messages": Schema.object([
        "deliveries": Schema.counts, "last_sent_at": instant, "receipts": Schema.counts,
      ]),
      "coupons": Schema.object(["issued": Schema.count, "redeemed": Schema.count]),
      "merged": Schema.array(Schema.uuid),
    ])
  }()
}
