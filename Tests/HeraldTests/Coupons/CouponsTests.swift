import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Coupons")
struct CouponsTests {
  @Test("are put, read, listed with their counts and deleted")
  func lifecycle() async throws {
    try await CouponFixture.withSchema { db in
      let body = CouponFixture.document(count: 50).bytes
      let key = ["key": "w26"]
      let new = try await CouponFixture.call(db, .put, "/v1/coupons/{key}", key, body: body)
      #expect(new.response.status == 201)
      #expect(new.response.headers["etag"] == "\"v1\"")
      #expect(new.json["counts"] == ["codes": 50, "issued": 0, "redeemed": 0, "left": 50])
      #expect(new.json["per_user"] == 1)
      let same = try await CouponFixture.call(db, .put, "/v1/coupons/{key}", key, body: body)
      #expect(same.response.status == 200)
      #expect(same.json == new.json)
      let stale = try await CouponFixture.call(
        db, .put, "/v1/coupons/{key}", key, body: body, headers: ["If-Match": "\"v7\""])
      #expect(stale.response.status == 412)
      let list = try await CouponFixture.call(db, .get, "/v1/coupons")
      #expect(list.json["data"] == [new.json])
      let gone = try await CouponFixture.call(db, .delete, "/v1/coupons/{key}", key)
      #expect(gone.response.status == 204)
      let missing = try await CouponFixture.call(db, .get, "/v1/coupons/{key}", key)
      #expect(missing.response.status == 404)
      let revived = try await CouponFixture.call(db, .put, "/v1/coupons/{key}", key, body: body)
      #expect(revived.response.status == 201)
      #expect(revived.json["counts"]?["codes"] == 50)
    }
  }

  @Test("are deleted for good when they have no codes and no plan names them")
  func deletion() async throws {
    try await CouponFixture.withSchema { db in
      try await CouponFixture.put(db, CouponFixture.document)
      let coupons = Coupons(db: db)
      try await coupons.delete("w26", by: CouponFixture.caller, now: CouponFixture.now)
      let rows = try await db.read { try $0.query("SELECT FROM coupons").count }
      #expect(rows == 0)

      try await CouponFixture.put(db, CouponFixture.document)
      try await db.write { tx in
        try tx.execute(
          script: """
            INSERT INTO plans (key, name, created_at, updated_at) VALUES ('p', 'P', now(), now());
            INSERT INTO plan_versions (plan, version, document, hash, state, author, created_at,
              updated_at)
            VALUES ('p', 1, '{"steps": [{"send": {"chain": [{"coupon": "w26"}]}}]}', 'h', 'draft',
              'a', now(), now());
            """)
      }
      try await coupons.delete("w26", by: CouponFixture.caller, now: CouponFixture.now)
      let kept = try await db.read {
        try $0.query("SELECT FROM coupons WHERE archived_at IS NOT NULL").count
      }
      #expect(kept == 1)
    }
  }

  @Test("grow by the missing codes and never shrink")
  func growth() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 20))
      _ = try await CouponFixture.issue(db, coupon, (0..<15).map { _ in CouponStore.Claim() })
      try await CouponFixture.put(db, CouponFixture.document(count: 45, pattern: "X-#######"))
      #expect(
        try await CouponFixture.counts(db)
          == CouponCounts(codes: 45, issued: 15, redeemed: 0, left: 30))
      let issues = try await CouponFixture.issue(
        db, coupon, (0..<40).map { _ in CouponStore.Claim() })
      #expect(issues.values.compactMap(\.code).count == 30)
      let error = await #expect(throws: HeraldError.self) {
        try await CouponFixture.put(db, CouponFixture.document(count: 44))
      }
      #expect(error?.pointer == "/codes")
      let numbers = try await db.read {
        try $0.one(
          "SELECT count(*), min(code_no), max(code_no), count(DISTINCT code) FROM coupon_codes")
      }
      #expect(try (0..<4).map { try numbers?.get($0, as: Int.self) } == [45, 1, 45, 45])
    }
  }

  @Test("make a hundred thousand codes, none of them twice")
  func bulk() async throws {
    try await CouponFixture.withSchema { db in
      try await CouponFixture.put(db, CouponFixture.document(count: 100_000))
      let row = try await db.read {
        try $0.one("SELECT count(DISTINCT code), max(code_no) FROM coupon_codes")
      }
      #expect(try row?.get(0, as: Int.self) == 100_000)
      #expect(try row?.get(1, as: Int.self) == 100_000)
    }
  }

  @Test("take codes from a list and say what became of each line")
  func importing() async throws {
    try await CouponFixture.withSchema { db in
      try await CouponFixture.put(db, CouponFixture.document)
      let csv =
        "\u{FEFF}code\r\nsummer-1\r\n\"SUMMER-2\"\r\n\r\nSUMMER-1\nbad code!\nA,B\n SUMMER-3"
      let added = try await CouponFixture.call(
        db, .post, "/v1/coupons/{key}/codes", ["key": "w26"], body: Array(csv.utf8),
        headers: ["Content-Type": "text/csv; charset=utf-8"])
      #expect(added.response.status == 200)
      #expect(added.json["added"] == 3)
      #expect(added.json["duplicates"] == 1)
      #expect(added.json["rejected"]?.arrayValue?.compactMap { $0["line"]?.intValue } == [6, 7])
      let more = try await CouponFixture.call(
        db, .post, "/v1/coupons/{key}/codes", ["key": "w26"],
        body: Array("SUMMER-4\nSUMMER-3\n".utf8))
      #expect(more.json["added"] == 1)
      #expect(more.json["duplicates"] == 1)
      #expect(
        try await CouponFixture.counts(db)
          == CouponCounts(codes: 4, issued: 0, redeemed: 0, left: 4))
      let unknown = try await CouponFixture.call(
        db, .post, "/v1/coupons/{key}/codes", ["key": "nope"], body: Array("SUMMER-9".utf8))
      #expect(unknown.response.status == 404)
    }
  }

  @Test("refuse a list in which hardly anything is a code")
  func noList() {
    let error = #expect(throws: HeraldError.self) {
      try CouponCodeList(csv: Array(String(repeating: "?\n", count: 1001).utf8))
    }
    #expect(error?.code == .invalid)
  }

  @Test("list their codes by state, page by page, masked for analysts")
  func listing() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 40))
      let issues = try await CouponFixture.issue(
        db, coupon, (0..<7).map { _ in CouponStore.Claim() })
      let analyst = Caller(keyID: UUID(), principal: "a", role: .analyst)
      var seen: [String] = []
      for state in ["unissued", "issued", "redeemed"] {
        var after: String?
        repeat {
          let query = [(name: "state", value: state), (name: "limit", value: "10")]
          let page = try await CouponFixture.call(
            db, .get, "/v1/coupons/{key}/codes", ["key": "w26"],
            query: query + (after.map { [(name: "after", value: $0)] } ?? []))
          let codes = page.json["data"]?.arrayValue ?? []
          seen += codes.compactMap { $0["code"]?.stringValue }
          #expect(codes.allSatisfy { $0["state"]?.stringValue == state })
          after = page.json["next"]?.stringValue
        } while after != nil
        if state == "unissued" { #expect(seen.count == 33) }
      }
      #expect(Set(seen).count == 40)
      #expect(Set(seen.suffix(7)) == Set(issues.values.compactMap(\.code)))
      let masked = try await CouponFixture.call(
        db, .get, "/v1/coupons/{key}/codes", ["key": "w26"], by: analyst)
      let codes = try #require(masked.json["data"]?.arrayValue)
      #expect(codes.count == 40)
      #expect(codes.allSatisfy { $0["code"] == "W***" })
    }
  }
}
