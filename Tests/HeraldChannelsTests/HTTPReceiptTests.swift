import Cryptography
import Foundation
import HTTP
import Herald
import JSON
import Testing

@testable import HeraldChannels

@Suite("Receipts of the http adapter")
struct HTTPReceiptTests {
  private static let now = Date(timeIntervalSince1970: 1_767_225_600)
  private static let stamp = 1_767_225_600
  private static let body = Array(
    #"{"receipts":[{"delivery_id":"0198a7c0-0000-7000-8000-000000000001","event":"delivered","at":"2026-01-01T00:00:00Z"}]}"#
      .utf8)

  private func request(
    _ body: [UInt8] = body, id: String = "rcpt_1", stamp: Int = stamp,
    secret: String = Fixture.secret
  ) throws -> Request {
    let signature = try StandardWebhooks.sign(id: id, timestamp: stamp, body: body, secret: secret)
    return Request(
      method: .post,
      headers: [
        "webhook-id": id, "webhook-timestamp": String(stamp), "webhook-signature": signature,
      ], body: body)
  }

  private let channel = Fixture.channel(
    "http://127.0.0.1:1/", secrets: [Fixture.secret, Fixture.otherSecret])

  private func status(_ request: Request) -> Int {
    do {
      _ = try channel.receipts(request, now: Self.now)
      return 200
    } catch let error as HeraldError {
      return error.code.status
    } catch {
      return 500
    }
  }

  @Test("are read when the signature holds, with either secret")
  func reads() throws {
    for secret in [Fixture.secret, Fixture.otherSecret] {
      let batch = try channel.receipts(request(secret: secret), now: Self.now)
      let receipt = try #require(batch.receipts.first)
      #expect(receipt.deliveryID.uuidString == "0198A7C0-0000-7000-8000-000000000001")
      #expect(receipt.event == .delivered)
      #expect(receipt.at == Self.now)
      #expect(batch.rejected.isEmpty)
    }
  }

  @Test(
    "are refused outside five minutes",
    arguments: [(-301, 401), (-300, 200), (300, 200), (301, 401)])
  func tolerance(offset: Int, expected: Int) throws {
    #expect(status(try request(stamp: Self.stamp + offset)) == expected)
  }

  @Test("are refused after any change")
  func mutations() throws {
    var generator = SystemRandomNumberGenerator()
    let good = try request()
    for _ in 0..<2000 {
      var bad = good
      let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
      switch Int.random(in: 0..<3, using: &generator) {
      case 0:
        let index = Int.random(in: 0..<bad.body.count, using: &generator)
        bad.body[index] ^= bit
      case 1:
        bad.headers["webhook-id"] = "rcpt_\(UInt32.random(in: 2..<UInt32.max, using: &generator))"
      default:
        let offset = Int.random(in: 1...300, using: &generator)
        bad.headers["webhook-timestamp"] = String(Self.stamp - offset)
      }
      #expect(status(bad) == 401)
    }
    #expect(status(good) == 200)
    #expect(status(try request(secret: StandardWebhooks.makeSecret())) == 401)
  }

  @Test("a body that is none of ours is a 4xx, after the signature")
  func malformed() throws {
    #expect(status(try request(Array("nonsense".utf8))) == 400)
    #expect(status(try request(Array("[]".utf8))) == 422)
    #expect(status(try request(Array(#"{"receipts": [], "x": 1}"#.utf8))) == 422)
    #expect(status(Request(method: .post, body: Array("nonsense".utf8))) == 401)
  }

  @Test("a bad item does not spoil the others")
  func items() throws {
    let body = """
      {"receipts": [{"delivery_id": "0198a7c0-0000-7000-8000-000000000001", "event": "opened", \
      "at": "2026-01-01T00:00:00Z"}, {"delivery_id": "x", "event": "opened", "at": \
      "2026-01-01T00:00:00Z"}, {"delivery_id": "0198a7c0-0000-7000-8000-000000000001", "event": \
      "eaten", "at": "2026-01-01T00:00:00Z"}, 7]}
      """
    let batch = try channel.receipts(request(Array(body.utf8)), now: Self.now)
    #expect(batch.receipts.map(\.index) == [0])
    #expect(batch.rejected.map(\.index) == [1, 2, 3])
    #expect(
      batch.rejected.map(\.fault.pointer.description)
        == ["/receipts/1/delivery_id", "/receipts/2/event", "/receipts/3"])
  }
}
