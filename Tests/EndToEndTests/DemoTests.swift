import Foundation
import HTTP
import JSON
import Testing

@testable import HeraldCLI

@Suite("herald demo")
struct DemoTests {
  /// The directory a demonstration says it works in.
  private func directory(_ output: String) throws -> String {
    let match = try #require(output.firstMatch(of: /directory +(\/\S+)/))
    return String(match.1)
  }

  @Test("runs a campaign whose checks hold, and leaves nothing behind")
  func wholeRun() async throws {
    let demo = try HeraldProcess(["demo"])
    #expect(await demo.end() == 0)
    let output = demo.output
    #expect(output.contains("All checks hold"), "\(output)")
    #expect(output.contains("self_approval"))
    #expect(!output.contains("✗"))
    let directory = try directory(output)
    #expect(!FileManager.default.fileExists(atPath: directory))
    #expect(Postmaster.running(on: directory + "/postgres") == nil)
  }

  @Test("that is interrupted removes its database and its directory", arguments: [SIGTERM, SIGINT])
  func interrupted(_ signal: Int32) async throws {
    let demo = try HeraldProcess(["demo"])
    let inTheMiddle = await demo.signal(signal) { output in
      guard output.contains("4  Import"), let directory = try? self.directory(output)
      else { return false }
      return FileManager.default.fileExists(atPath: directory)
    }
    #expect(inTheMiddle, "\(demo.output)")
    let directory = try directory(demo.output)
    let status = await demo.end()
    #expect(status == 130, "\(demo.output)")
    #expect(!FileManager.default.fileExists(atPath: directory))
    #expect(Postmaster.running(on: directory + "/postgres") == nil)
  }

  @Test(
    "counts the lapsed by the file alone",
    arguments: [("2026-11-22T11:00:00+08:00", 853), ("2026-11-22T13:00:00+08:00", 855)])
  func purchases(_ now: String, _ lapsed: Int) throws {
    let now = try #require(Date(rfc3339: now))
    let zone = try #require(TimeZone(identifier: "Asia/Shanghai"))
    let data = DemoData.sample
    let purchases = try Purchases(file: data.name, gzip: data.gzip, now: now, zone: zone)
    #expect(purchases.all.count == 6919)
    #expect(purchases.byCustomer.count == 2357)
    #expect(purchases.all.map(\.at).max() == Date(rfc3339: "2026-11-21T12:00:00+08:00"))
    // By day both would be 853: those of 90 days ago at noon lapse at noon.
    #expect(purchases.lapsedRepeaters(now: now).count == lapsed)
  }

  @Test("sees every difference between the gateway's log and Herald's tables")
  func comparison() {
    let id = UUID()
    let delivery = DemoLedger.Delivery(
      id: id, user: UUID(), step: DemoCampaign.tellStep, status: "sent", channel: "push",
      code: "W26-AAAA")
    let attempt = DemoLedger.Attempt(delivery: id, channel: "push", status: "sent")
    func differences(
      _ attempts: [DemoLedger.Attempt], _ lines: [(status: Int, verified: Bool, text: String)],
      id: UUID = id
    ) -> Int {
      let log = lines.map {
        #"{"delivery_id":"\#(id)","channel":"push","status":\#($0.status),"#
          + #""verified":\#($0.verified),"content":{"body":"\#($0.text)"}}"#
      }.joined(separator: "\n")
      return DemoComparison(deliveries: [delivery], attempts: attempts, log: Array(log.utf8))
        .differences.count
    }
    #expect(differences([attempt], [(200, true, "W26-AAAA")]) == 0)
    #expect(differences([attempt], []) > 0)
    #expect(differences([], [(200, true, "W26-AAAA")]) > 0)
    #expect(differences([attempt], [(200, true, "W26-BBBB")]) > 0)
    #expect(differences([attempt], [(200, false, "W26-AAAA")]) > 0)
    #expect(differences([attempt], [(422, true, "W26-AAAA")]) > 0)
    #expect(
      differences([attempt, attempt], [(200, true, "W26-AAAA"), (200, true, "W26-AAAA")]) > 0)
    #expect(differences([attempt], [(200, true, "W26-AAAA")], id: UUID()) > 0)
  }

  @Test("lines up columns with Chinese in them")
  func table() {
    var table = TextTable(.text("name"), .number("n"))
    table.add("欧阳雨桐", "7")
    table.add("Li", "1,234")
    #expect(
      table.lines(indent: 0) == [
        "name          n", "───────────────", "欧阳雨桐      7", "Li        1,234",
      ])
    #expect(TextWidth.wrap("one two three", to: 7) == ["one two", "three"])
  }
}
