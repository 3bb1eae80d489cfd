import Foundation
import JSON
import Testing

/// The cases of nst/JSONTestSuite, read where the shared data lies.
private enum SharedCases {
  static let file: URL? = {
    let checkout = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let folders = [
      ProcessInfo.processInfo.environment["HERALD_SHARED"].map { URL(fileURLWithPath: $0) },
      checkout.deletingLastPathComponent().appendingPathComponent("shared"),
    ]
    return folders.compactMap { $0?.appendingPathComponent("data/json_test_suite/cases.json.gz") }
      .first { FileManager.default.isReadableFile(atPath: $0.path) }
  }()

  static func load(_ file: URL) throws -> [(name: String, expect: String, bytes: [UInt8])] {
    let gzip = Process()
    gzip.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    gzip.arguments = ["gzip", "-dc", file.path]
    let pipe = Pipe()
    gzip.standardOutput = pipe
    try gzip.run()
    let text = pipe.fileHandleForReading.readDataToEndOfFile()
    gzip.waitUntilExit()
    let list = try #require(try JSONScanner.parse([UInt8](text)).arrayValue)
    return try list.map { item in
      let data = try #require(item["base64"]?.stringValue.flatMap { Data(base64Encoded: $0) })
      return (
        try #require(item["name"]?.stringValue), try #require(item["expect"]?.stringValue),
        [UInt8](data)
      )
    }
  }
}

@Suite("JSONTestSuite")
struct JSONTestSuiteTests {
  /// Valid by RFC 8259, refused by Herald on purpose.
  static let refusedOnPurpose: Set = [
    "y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json",
    "y_object_escaped_null_in_key.json", "y_string_null_escape.json",
    "y_number_double_close_to_zero.json",
  ]

  /// What the suite leaves open, and Herald accepts; the rest of it is refused.
  static let acceptedByChoice: Set = [
    "i_number_too_big_neg_int.json", "i_number_too_big_pos_int.json",
    "number_-9223372036854775808.json", "number_-9223372036854775809.json", "number_1.0.json",
    "number_1.000000000000000005.json", "number_1000000000000000.json",
    "number_10000000000000000999.json", "number_1e6.json", "number_9223372036854775807.json",
    "number_9223372036854775808.json", "object_key_nfc_nfd.json", "object_key_nfd_nfc.json",
  ]

  @Test(
    "every case is accepted or refused as written down",
    .enabled(
      if: SharedCases.file != nil, "shared/data not found beside the checkout; set HERALD_SHARED"))
  func everyCase() throws {
    let cases = try SharedCases.load(try #require(SharedCases.file))
    #expect(cases.count >= 340)
    for item in cases {
      let expected =
        switch item.expect {
        case "accept": !Self.refusedOnPurpose.contains(item.name)
        case "reject": false
        default: Self.acceptedByChoice.contains(item.name)
        }
      let value = try? JSONScanner.parse(item.bytes)
      #expect((value != nil) == expected, "\(item.name)")
      var cursor = JSONCursor(item.bytes)
      let skipped: Void? = try? {
        _ = try cursor.skipValue()
        try cursor.end()
      }()
      #expect((skipped != nil) == expected, "skipping \(item.name)")
      if let value {
        #expect(try JSONScanner.parse(value.bytes) == value, "written again: \(item.name)")
      }
    }
  }
}
