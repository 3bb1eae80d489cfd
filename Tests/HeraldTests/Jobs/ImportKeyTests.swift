import JSON
import Postgres
import Testing

@testable import HTTP
@testable import Herald

@Suite("Imports under an Idempotency-Key")
struct ImportKeyTests {
  private static let file = "external_id\nu-1\nu-2\n"

  private func send(
    _ herald: HeraldInProcess, _ text: String = file, stream: BodyStream? = nil, by key: String
  ) async throws -> HeraldInProcess.Answer {
    try await herald.call(
      .post, "/v1/imports?kind=users", raw: Array(text.utf8),
      headers: [
        "authorization": "Bearer \(key)", "content-type": "text/csv", "idempotency-key": "k-1",
      ], stream: stream)
  }

  @Test("are one job for one file; another file is refused")
  func otherFile() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      let first = try await send(herald, by: key)
      #expect(first.status == 202)
      let again = try await send(herald, by: key)
      #expect(again.status == 202 && again.json == first.json)
      let pieces = Self.file.utf8.map { [$0] }
      let pieced = try await send(herald, stream: BodyStream(pieces: pieces), by: key)
      #expect(pieced.status == 202 && pieced.json == first.json)
      let other = try await send(herald, "external_id\nu-3\n", by: key)
      #expect(other.status == 422 && other.code == "idempotency_key_reused")
      #expect(try await herald.count("SELECT count(*) FROM jobs") == 1)
    }
  }

  @Test("that did not arrive whole leave the key to the whole file")
  func brokenOff() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      let cut = BodyChannel {}
      cut.fail(.truncated)
      let broken = try await send(
        herald, stream: BodyStream(cut, gzip: false, limit: 1 << 20), by: key)
      #expect(broken.status == 400 && broken.code == "incomplete_request")
      let plain = BodyChannel {}
      plain.push(Array(Self.file.utf8))
      plain.end()
      let noGzip = try await send(
        herald, stream: BodyStream(plain, gzip: true, limit: 1 << 20), by: key)
      #expect(noGzip.status == 400 && noGzip.code == "bad_gzip")
      #expect(try await herald.count("SELECT count(*) FROM idempotency_keys") == 0)
      let whole = try await send(herald, by: key)
      #expect(whole.status == 202)
      #expect(
        try await herald.count("SELECT count(*) FROM jobs WHERE state = 'queued' AND total = 2")
          == 1)
      let again = try await send(
        herald, stream: BodyStream(cut, gzip: false, limit: 1 << 20), by: key)
      #expect(again.status == 400 && again.code == "incomplete_request")
      #expect(try await send(herald, by: key).json == whole.json)
    }
  }
}
