import Foundation
import Herald
import JSON
import Testing

@testable import HeraldChannels

@Suite("The file adapter")
struct FileChannelTests {
  @Test("two processes' worth of writers leave only whole lines")
  func concurrentWriters() async throws {
    let url = Fixture.directory().appendingPathComponent("messages/x.ndjson")
    let files = try (0..<4).map { _ in try LineFile(url) }
    let long = String(repeating: "好", count: 20_000)
    await withTaskGroup(of: Void.self) { group in
      for (writer, file) in files.enumerated() {
        group.addTask {
          for number in 0..<50 {
            let line: JSONValue = ["w": .int(writer), "n": .int(number), "x": .string(long)]
            _ = await file.append(line.bytes)
          }
        }
      }
    }
    let lines = try Fixture.lines(url)
    #expect(lines.count == 200)
    for writer in 0..<4 {
      let own = lines.filter { $0["w"]?.intValue == writer }.compactMap { $0["n"]?.intValue }
      #expect(own == Array(0..<50))
    }
  }

  @Test("the file is its owner's alone and is added to after a restart")
  func restart() async throws {
    let directory = Fixture.directory()
    let kind = FileChannel.kind(dataDirectory: directory)
    let configuration = SenderConfiguration(
      key: "s1", channel: .sms, config: [:], timeout: .seconds(1))
    for _ in 0..<2 { _ = await (try kind.make(configuration)).send(Fixture.message()) }
    let file = directory.appendingPathComponent("messages/s1.ndjson")
    #expect(try Fixture.lines(file).count == 2)
    let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
  }
}
