import Cryptography
import Foundation
import HTTP
import JSON
import Logging
import Postgres
import Testing

@testable import HeraldCLI

/// A shop's whole history, once as its webhooks and once as a file. With `HERALD_RETAIL=whole` all 541,909
/// lines are taken and compared with the figures that pandas computed.
@Suite("The Online Retail set", .serialized)
struct OnlineRetailTests {
  private static let secret = "retail-secret"

  private static let source: JSONValue = [
    "live": false, "signature": ["scheme": "github", "secret": .string(secret)],
    "mapping": [
      "items": "/lines", "when": ["pointer": "/CustomerID", "ne": ""],
      "user": ["external_id": "/CustomerID"], "event": "invoice_line",
      "timestamp": ["pointer": "/InvoiceDate", "zone": "UTC"], "message_id": "row-{{ item.row }}",
      "properties": [
        "invoice": "/InvoiceNo", "stock": "/StockCode",
        "quantity": ["pointer": "/Quantity", "as": "number"],
        "price": ["pointer": "/UnitPrice", "as": "number"], "country": "/Country",
      ],
    ],
  ]

  private func json(_ line: RetailLine) -> JSONValue {
    [
      "row": .int(line.row), "InvoiceNo": .string(line.invoice),
      "StockCode": .string(line.stock), "Quantity": .string(String(line.quantity)),
      "InvoiceDate": .string(line.date), "UnitPrice": .string(line.price),
      "CustomerID": .string(line.customer), "Country": .string(line.country),
    ]
  }

  /// A thousand lines a request, every tenth request twice.
  private func postAll(
    _ lines: [RetailLine], to base: String, _ http: HTTPClient
  ) async throws -> [String: Int] {
    var totals: [String: Int] = [:]
    for start in stride(from: 0, to: lines.count, by: 1000) {
      let part = lines[start..<min(start + 1000, lines.count)]
      let body = JSONValue.object(["lines": .array(part.map(json))]).bytes
      let code = "sha256=" + Hex.encode(HMACSHA256.authenticate(body, key: Self.secret.utf8))
      for copy in 0..<(start % 10_000 == 0 ? 2 : 1) {
        let outcome = await http.send(
          ClientRequest(
            method: "POST", url: base + "/v1/hooks/retail",
            headers: [
              ("Content-Type", "application/json"), ("X-Hub-Signature-256", code),
              ("X-GitHub-Delivery", "part-\(start)"),
            ], body: body, timeout: .seconds(60)))
        guard case .response(let response) = outcome, response.status == 200 else {
          Issue.record("\(outcome)")
          return totals
        }
        for (key, value) in try JSONScanner.parse(response.body).objectValue ?? [:]
        where copy == 0 {
          totals[key, default: 0] += value.intValue ?? 0
        }
      }
    }
    return totals
  }

  private func write(_ lines: [RetailLine], to path: String) throws {
    var bytes: [UInt8] = []
    for line in lines where !line.customer.isEmpty {
      let event: JSONValue = [
        "message_id": .string("row-\(line.row)"), "user": ["external_id": .string(line.customer)],
        "name": "invoice_line",
        "timestamp": .string(line.date.replacing(" ", with: "T") + "Z"),
        "properties": [
          "invoice": .string(line.invoice), "stock": .string(line.stock),
          "quantity": .int(line.quantity),
          "price": JSONNumber(line.price).map(JSONValue.number) ?? .null,
          "country": .string(line.country),
        ],
      ]
      event.write(to: &bytes)
      bytes.append(UInt8(ascii: "\n"))
    }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  private func customers(_ source: String, _ pool: Pool) async throws -> [String: RetailCustomer] {
    try await pool.read(timeout: .seconds(300)) { db in
      var customers: [String: RetailCustomer] = [:]
      for row in try db.query(
        """
        SELECT i.value AS customer, e.properties->>'invoice' AS invoice, count(*) AS lines,
          sum((e.properties->>'quantity')::bigint
            * round((e.properties->>'price')::numeric * 1000)::bigint)::bigint AS milli,
          to_char(min(e.ts) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS first
        FROM events e JOIN identities i ON i.user_id = e.user_id AND i.kind = 'external_id'
        WHERE e.source = \(source) AND e.name = 'invoice_line'
          AND e.properties->>'invoice' NOT LIKE 'C%'
          AND (e.properties->>'quantity')::bigint > 0 AND (e.properties->>'price')::numeric > 0
        GROUP BY 1, 2
        """)
      {
        let key: String = try row.get("customer")
        var customer = customers[key] ?? RetailCustomer()
        customer.lines += try row.get("lines", as: Int.self)
        customer.milli += try row.get("milli", as: Int.self)
        customer.orders[try row.get("invoice")] = try row.get("first")
        customers[key] = customer
      }
      return customers
    }
  }

  @Test("gives every customer the same figures by webhooks and from a file")
  func figures() async throws {
    let herald = ThrowAwayHerald(
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    let http = HTTPClient(
      ClientConfiguration(allowPrivateAddresses: true),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let result: Result<Void, any Error>
    do { result = .success(try await check(herald, http)) } catch { result = .failure(error) }
    await http.shutdown(grace: .zero)
    await herald.end()
    try result.get()
  }

  private func check(_ herald: ThrowAwayHerald, _ http: HTTPClient) async throws {
    let lines = try RetailLine.load()
    let named = lines.count { !$0.customer.isEmpty }
    let expected = RetailCustomer.all(lines)
    let base = try await herald.start().herald
    let client = HeraldClient(url: base, key: herald.adminKey, http: http)
    try await client.call("PUT", "/v1/sources/retail", Self.source)

    let began = ContinuousClock.now
    let totals = try await postAll(lines, to: base, http)
    let posted = ContinuousClock.now - began
    #expect(
      totals == [
        "accepted": named, "duplicates": 0, "ignored": lines.count - named, "dead_letters": 0,
      ])
    let pool = try await herald.ledger().pool
    let hooked = try await customers("source:retail", pool)
    #expect(hooked == expected)

    let file = herald.directory + "/lines.ndjson"
    try write(lines, to: file)
    let importing = try HeraldProcess(
      ["import", "events", file],
      environment: ["HERALD_URL": base, "HERALD_KEY": herald.adminKey])
    #expect(await importing.end() == 0, "\(importing.output.suffix(500))")
    let imported = try await customers("api", pool)
    #expect(imported == expected)
    print(
      "Online Retail: \(lines.count) lines, \(named) with a customer, by webhooks in \(posted); "
        + "\(hooked.count) customers, \(hooked.values.reduce(0) { $0 + $1.orders.count }) orders, "
        + "\(hooked.values.reduce(0) { $0 + $1.milli }) milli-pounds, both ways")
    if RetailLine.isWhole { try compareWithReference(hooked) }
  }

  private func compareWithReference(_ customers: [String: RetailCustomer]) throws {
    let directory = try #require(RetailLine.directory, "HERALD_RETAIL=whole needs shared/data")
    let bytes = try Data(contentsOf: directory.appendingPathComponent("reference.json"))
    let reference = try JSONScanner.parse(Array(bytes))
    let totals = reference["totals"]
    #expect(totals?["customers"]?.intValue == customers.count)
    #expect(totals?["purchase_lines"]?.intValue == customers.values.reduce(0) { $0 + $1.lines })
    #expect(totals?["orders"]?.intValue == customers.values.reduce(0) { $0 + $1.orders.count })
    #expect(totals?["milli"]?.intValue == customers.values.reduce(0) { $0 + $1.milli })
    for example in reference["rfm_examples"]?.arrayValue ?? [] {
      let id = try #require(example["customer"]?.intValue)
      let customer = try #require(customers[String(id)])
      #expect(customer.orders.count == example["frequency"]?.intValue, "\(id)")
      #expect(customer.milli == example["milli"]?.intValue, "\(id)")
    }
    #expect(cells(customers) == reference["rfm_cells_count_milli"])
  }

  /// Every customer's fifth by last order, number of orders and sum, as reference.py cuts them.
  private func cells(_ customers: [String: RetailCustomer]) -> JSONValue {
    func fifths<K: Comparable>(_ key: (RetailCustomer) -> K) -> [String: Int] {
      let sorted = customers.sorted { left, right in
        let (l, r) = (key(left.value), key(right.value))
        return l == r ? (Int(left.key) ?? 0) < (Int(right.key) ?? 0) : l < r
      }
      let (size, rest) = sorted.count.quotientAndRemainder(dividingBy: 5)
      var found: [String: Int] = [:]
      for (index, entry) in sorted.enumerated() {
        let wide = rest * (size + 1)
        found[entry.key] = index < wide ? index / (size + 1) + 1 : rest + (index - wide) / size + 1
      }
      return found
    }
    let (r, f, m) = (fifths(\.last), fifths(\.orders.count), fifths(\.milli))
    var cells: [String: (count: Int, milli: Int)] = [:]
    for (id, customer) in customers {
      let cell = "\(r[id] ?? 0)\(f[id] ?? 0)\(m[id] ?? 0)"
      let known = cells[cell] ?? (0, 0)
      cells[cell] = (known.count + 1, known.milli + customer.milli)
    }
    return .object(
      JSONObject(
        cells.map { ($0.key, JSONValue.array([.int($0.value.count), .int($0.value.milli)])) }))
  }
}
