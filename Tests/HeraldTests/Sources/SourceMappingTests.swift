import Foundation
import JSON
import Testing

@testable import Herald

@Suite("Mappings of sources")
struct SourceMappingTests {
  private static let now = Date(timeIntervalSince1970: 1_793_000_000)

  private func mapping(_ document: JSONValue) throws -> SourceMapping {
    let faults = Faults()
    let reader = try #require(ObjectReader(document, faults: faults))
    return try #require(SourceMapping(reader), "\(faults.all)")
  }

  private func map(
    _ document: JSONValue, _ item: JSONValue, headers: JSONObject = [:]
  ) throws -> MappedItem {
    try mapping(document).map(
      ForeignItem(item, headers: headers), deliveryID: nil, now: Self.now)
  }

  private func event(_ item: MappedItem) throws -> MappedEvent {
    guard case .event(let event) = item else {
      Issue.record("\(item)")
      throw HeraldError(.unexpected, "no event")
    }
    return event
  }

  private func faults(_ item: MappedItem) -> [String] {
    guard case .faulty(let faults) = item else { return [] }
    return faults.map { "\($0.fault.code.rawValue) \($0.fault.pointer) \($0.field)" }
  }

  @Test("take pointers, templates, headers, constants, defaults and translations")
  func values() throws {
    let mapped = try event(
      map(
        [
          "user": ["external_id": "/customer/id", "email": "/customer/email", "phone": "/none"],
          "event": ["header": "X-Topic", "map": ["orders/paid": "order_paid"]],
          "timestamp": "/at", "message_id": "{{ header.x-topic }}:{{ item.id }}",
          "properties": [
            "amount": ["pointer": "/total", "as": "number"], "first": "/lines/0/sku",
            "channel": "web", "rank": 7, "gift": ["pointer": "/gift", "default": false],
            "missing": "/missing", "raw": ["value": ["a": [1, 2]]],
          ],
          "attributes": ["name": "{{ item.customer.first | default: 'friend' }}"],
        ],
        [
          "id": 12, "at": "2026-10-20T10:00:00+08:00", "total": "128.50",
          "customer": ["id": 820_982_911, "email": " Li@Example.com "],
          "lines": [["sku": "s-1"]],
        ], headers: ["x-topic": "orders/paid"]))
    #expect(
      mapped.identities.map { "\($0.kind.key)=\($0.value)" }.sorted() == [
        "email=li@example.com", "external_id=820982911",
      ])
    let stored = try #require(mapped.event)
    #expect(stored.name == "order_paid")
    #expect(stored.messageID == "orders/paid:12")
    #expect(stored.timestamp == Date(rfc3339: "2026-10-20T02:00:00Z"))
    #expect(
      try JSONScanner.parse(stored.properties) == [
        "amount": .number(try #require(JSONNumber("128.50"))), "first": "s-1", "channel": "web",
        "rank": 7, "gift": false, "raw": ["a": [1, 2]],
      ])
    #expect(mapped.attributes.json == ["name": "friend"])
  }

  @Test(
    "read instants as other systems write them",
    arguments: [
      ("/t", JSONValue.string("2026-10-20T10:00:00+08:00"), "2026-10-20T02:00:00Z"),
      ("/t", 1_792_000_000, "2026-10-14T17:46:40Z"),
      ("/t", 1_792_000_000_500, "2026-10-14T17:46:40.5Z"),
      ("/t", "1792000000", "2026-10-14T17:46:40Z"),
      (["pointer": "/t", "zone": "UTC"], "2017-03-22T19:28:02", "2017-03-22T19:28:02Z"),
      (["pointer": "/t", "zone": "Europe/London"], "2011-07-01 08:26", "2011-07-01T07:26:00Z"),
      (["pointer": "/t", "zone": "Europe/London"], "2010-12-01 08:26:00", "2010-12-01T08:26:00Z"),
      (["pointer": "/t", "zone": "America/New_York"], "2026-03-08 03:30", "2026-03-08T07:30:00Z"),
      (["pointer": "/t", "zone": "Asia/Shanghai"], "2026-01-01", "2025-12-31T16:00:00Z"),
    ] as [(JSONValue, JSONValue, String)])
  func instants(_ timestamp: JSONValue, _ value: JSONValue, _ expected: String) throws {
    let mapped = try event(
      map(
        ["user": ["external_id": "/u"], "event": "x", "timestamp": timestamp],
        ["u": "u-1", "t": value]))
    #expect(mapped.event?.timestamp == Date(rfc3339: expected))
  }

  @Test("name every fault by its place in the body and in the mapping")
  func faults() throws {
    let document: JSONValue = [
      "user": ["email": "/buyer/email"], "event": ["pointer": "/kind", "map": ["a": "b"]],
      "timestamp": "/when", "message_id": "{{ item.no }}",
      "properties": ["amount": ["pointer": "/total", "as": "number"]],
      "attributes": ["vip": ["pointer": "/vip", "as": "boolean"]],
    ]
    let item = try map(
      document,
      [
        "buyer": ["email": "nonsense"], "kind": "z", "when": "2026-10-20 10:00", "total": "much",
        "vip": "perhaps",
      ])
    #expect(
      faults(item) == [
        "invalid_format /buyer/email /user/email", "invalid_choice /kind /event",
        "invalid_format /when /timestamp",
        "required  /message_id", "type_mismatch /total /properties/amount",
        "type_mismatch /vip /attributes/vip",
      ])
    #expect(faults(try map(document, [:])).contains("required /kind /event"))
  }

  @Test("refuse an item that names nobody, and one from the far future")
  func refused() throws {
    let document: JSONValue = [
      "user": ["external_id": "/u"], "event": "x", "timestamp": "/t",
    ]
    #expect(faults(try map(document, ["u": ""])) == ["required /u /mapping/user"])
    #expect(faults(try map(document, ["u": .null])) == ["required /u /mapping/user"])
    #expect(faults(try map(document, ["u": ["x": 1]])) == ["type_mismatch /u /user/external_id"])
    #expect(
      faults(try map(document, ["u": "u", "t": "2099-01-01T00:00:00Z"])) == [
        "out_of_range /t /timestamp"
      ])
  }

  @Test("pass over what `when` does not mean")
  func conditions() throws {
    func passes(_ when: JSONValue, _ item: JSONValue) throws -> Bool {
      let mapped = try map(
        ["user": ["external_id": "u"], "event": "x", "when": when], item,
        headers: ["x-topic": "a"])
      if case .ignored = mapped { return false }
      return true
    }
    #expect(try passes(["pointer": "/s", "eq": "paid"], ["s": "paid"]))
    #expect(try !passes(["pointer": "/s", "eq": "paid"], ["s": "open"]))
    #expect(try !passes(["pointer": "/s", "eq": "paid"], [:]))
    #expect(try passes(["pointer": "/s", "ne": "paid"], [:]))
    #expect(try passes(["pointer": "/n", "in": [1, 2]], ["n": .double(2.0)]))
    #expect(try !passes(["pointer": "/n", "not_in": [1, 2]], ["n": 2]))
    #expect(try passes(["header": "X-Topic", "eq": "a"], [:]))
    #expect(
      try !passes(
        [["header": "x-topic", "eq": "a"], ["pointer": "/test", "exists": false]], ["test": true]))
  }

  @Test(
    "are checked when they are saved",
    arguments: [
      (#"{"event": "x"}"#, "/user"), (#"{"user": {"external_id": "/a"}}"#, "/event"),
      (#"{"user": {"nobody": "/a"}, "event": "x"}"#, "/user/nobody"),
      (#"{"user": {"external_id": "/a~2"}, "event": "x"}"#, "/user/external_id"),
      (#"{"user": {"external_id": "{{ user.id }}"}, "event": "x"}"#, "/user/external_id"),
      (#"{"user": {"external_id": "/a"}, "event": {"pointer": "/x", "value": 1}}"#, "/event"),
      (#"{"user": {"external_id": "/a"}, "event": "x", "extra": 1}"#, "/extra"),
      (
        #"{"user": {"external_id": "/a"}, "event": "x", "timestamp": {"pointer": "", "zone": "EST5"}}"#,
        "/timestamp/zone"
      ),
      (#"{"user": {"external_id": "/a"}, "event": "x", "when": {"pointer": "/x"}}"#, "/when"),
    ])
  func checked(_ document: String, _ pointer: String) throws {
    let faults = Faults()
    let reader = try #require(ObjectReader(try JSONScanner.parse(document), faults: faults))
    #expect(SourceMapping(reader) == nil)
    #expect(faults.all.map(\.pointer.description).contains(pointer), "\(faults.all)")
  }
}
