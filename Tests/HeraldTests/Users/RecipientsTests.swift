import Foundation
import JSON
import HTTP
import Postgres
import Testing

@testable import Herald

@Suite("Recipients")
struct RecipientsTests {
  @Test("are what a look at one user finds, but for suppressed identities that are no address")
  func same() async throws {
    try await PeopleAPI.with { api in
      for key in ["plain", "gold"] {
        try await api.call(.put, "/v1/tags/\(key)", ["name": "T", "type": "text"]).discard()
      }
      var ids: [UUID] = []
      for (name, rest) in Self.people {
        let id = try await api.user(name, rest)
        ids.append(try #require(UUID(uuidString: id)))
      }
      let users = ids
      try await api.db.write { tx in
        try SuppressionStore.add(
          [
            SuppressedAddress(kind: "phone", value: "+8613800138001"),
            SuppressedAddress(kind: "token", value: "apns:t-2"),
          ], reason: "bounced", now: PeopleAPI.now, in: tx)
        try tx.execute("UPDATE devices SET state = 'dead' WHERE token = 't-3'")
      }
      let gone = try await api.user("gone", [:])
      #expect(try await api.call(.delete, "/v1/users/\(gone)").status == 204)
      let (found, recipients) = try await api.db.read { db in
        let all = users + [UUID(uuidString: gone)].compactMap(\.self) + [UUID()]
        return (
          try UserStore.find(all, now: PeopleAPI.now, in: db),
          try UserStore.recipients(all, now: PeopleAPI.now, in: db)
        )
      }
      #expect(found.count == Self.people.count)
      #expect(Set(found.keys) == Set(recipients.keys))
      for (id, user) in found {
        let recipient = try #require(recipients[id])
        #expect(recipient.identities == user.identities)
        #expect(recipient.devices == user.devices)
        #expect(recipient.consents == user.consents)
        #expect(recipient.suppressed == user.suppressed)
        #expect(JSONValue.object(recipient.attributes) == .object(user.attributes))
        #expect(recipient.tags.count == user.tags.count)
        for (tag, value) in user.tags { #expect(recipient.tags[tag] == value) }
        #expect(recipient.timeZone == user.timeZone)
        #expect(recipient.locale == user.locale)
        #expect(recipient.version == user.version)
      }
      #expect(recipients.values.contains { !$0.suppressed.isEmpty })
    }
  }

  private static let people: [(String, JSONObject)] = [
    ("bare", [:]),
    (
      "full",
      [
        "identities": [
          "external_id": "full", "phone": "+8613800138001", "email": "li@example.com",
        ],
        "attributes": ["name": "李雷", "age": 41], "time_zone": "Asia/Shanghai", "locale": "zh-CN",
        "consents": ["sms": "granted", "email": "denied"],
        "tags": ["plain": "a", "gold": "b"],
        "devices": [
          ["platform": "ios", "token": "t-1", "provider": "apns"],
          ["platform": "ios", "token": "t-2", "provider": "apns"],
          ["platform": "android", "token": "t-3", "provider": "fcm"],
        ],
      ]
    ),
  ]
}
