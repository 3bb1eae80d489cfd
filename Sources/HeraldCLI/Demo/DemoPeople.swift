import Cryptography
import Foundation
import JSON

/// The people of the demonstration: CDNOW's customers, with names, addresses and consents made up,
/// always the same ones. Most can be reached, some cannot, as in life.
struct DemoPeople {
  let purchases: Purchases

  static func externalID(_ customer: String) -> String { "cdnow-\(customer)" }

  /// One line of NDJSON a customer.
  func ndjson() -> [UInt8] {
    var out: [UInt8] = []
    for customer in purchases.byCustomer.keys.sorted() {
      user(customer).write(to: &out)
      out.append(0x0A)
    }
    return out
  }

  private func user(_ customer: String) -> JSONValue {
    var consents: JSONObject = ["push": "granted", "sms": "granted"]
    switch draw("consent", customer) {
    case 0..<500: consents["push"] = "denied"
    case 500..<1500: consents["sms"] = "denied"
    case 1500..<1700: consents["sms"] = nil
    default: break
    }
    var devices: [JSONValue] = []
    if draw("device", customer) >= 1200 {
      devices = [
        [
          "platform": draw("platform", customer) < 4000 ? "ios" : "android",
          "token": .string("token-\(customer)"), "provider": "http",
        ]
      ]
    }
    let phone = String(10_000_000_000 + (Int(customer) ?? 0)).dropFirst()
    return [
      "identities": [
        "external_id": .string(Self.externalID(customer)),
        "phone": .string("+8613" + phone.suffix(9)),
      ],
      "attributes": ["name": .string(name(customer))],
      "consents": .object(consents), "devices": .array(devices),
      "tags": ["spend_tier": .string(purchases.tier(of: customer).rawValue)],
    ]
  }

  private func name(_ customer: String) -> String {
    Self.families[draw("family", customer) % Self.families.count]
      + Self.givens[draw("given", customer) % Self.givens.count]
  }

  /// 0…9999, the same for a customer at every start.
  private func draw(_ matter: String, _ customer: String) -> Int {
    Bucket.of(salt: "demo-\(matter)", unit: customer)
  }

  private static let families = [
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "欧阳",
  ]
  private static let givens = [
    "伟", "芳", "娜", "敏", "静", "磊", "洋", "艳", "勇", "杰", "秀英", "丽华", "建国", "晓明", "雨桐",
    "子涵",
  ]
}

extension Purchases {
  /// As a CSV of events; the message's id is the purchase's file and line.
  func eventsCSV() -> [UInt8] {
    var text = "user.external_id,name,timestamp,message_id,properties.amount,properties.quantity\n"
    for purchase in all {
      text += DemoPeople.externalID(purchase.customer)
      text += ",order_paid,\(purchase.at.rfc3339),\(file):\(purchase.line),"
      text += "\(purchase.amount),\(purchase.quantity)\n"
    }
    return Array(text.utf8)
  }
}
