import JSON
import Testing

@testable import Herald

@Suite("Identities, as they come in")
struct IdentityFormTests {
  @Test(
    "telephone numbers become E.164",
    arguments: [
      ("CN", "13800000000", "+8613800000000"), ("CN", "+86 138 0000 0000", "+8613800000000"),
      ("CN", "0086 13800000000", "+8613800000000"), ("CN", "8613800138000", "+8613800138000"),
      ("CN", "010-1234 5678", "+861012345678"), ("CN", "86 010 12345678", "+861012345678"),
      ("CN", "+86 (0)138 0013 8000", "+8613800138000"),
      ("GB", "+44 (0)20 7946 0958", "+442079460958"),
      ("IT", "+39 06 1234567", "+39061234567"), ("CN", "１３８００１３８０００", "+8613800138000"),
      ("CN", "＋8613800138000", "+8613800138000"),
      ("US", "(415) 555-0100", "+14155550100"), ("US", "1-415-555-0100", "+14155550100"),
      ("GB", "07911 123456", "+447911123456"), ("DE", "0151 23456789", "+4915123456789"),
      ("JP", "090-1234-5678", "+819012345678"), ("HK", "5123 4567", "+85251234567"),
      ("SG", "9123 4567", "+6591234567"), ("IN", "098765 43210", "+919876543210"),
      ("US", "+447911123456", "+447911123456"),
    ])
  func phones(region: String, text: String, expected: String) throws {
    let region = try #require(PhoneRegion.named(region))
    #expect(try IdentityForm(region: region).identity("phone", text).value == expected)
  }

  @Test(
    "what is no telephone number is refused",
    arguments: [
      "+12", "12", "+0123456789", "call me", "+86138001380001234567", "138+00000000", "++1",
    ])
  func badPhones(text: String) {
    #expect(throws: IdentityFault.self) { try IdentityForm.standard.identity("phone", text) }
  }

  @Test("e-mail addresses are trimmed and lower case")
  func emails() throws {
    #expect(
      try IdentityForm.standard.identity("email", " Li.Lei@Example.COM\n").value
        == "li.lei@example.com")
    for text in [
      "li", "@example.com", "li@", "li@localhost", "a b@example.com", "a@b@c.de", "a@-b.de",
    ] {
      #expect(throws: IdentityFault.self) { try IdentityForm.standard.identity("email", text) }
    }
  }

  @Test("other kinds keep their letters and compare by bytes")
  func bytes() throws {
    let composed = try IdentityForm.standard.identity("external_id", "caf\u{E9}")
    let decomposed = try IdentityForm.standard.identity("external_id", "cafe\u{301}")
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    #expect(try IdentityForm.standard.identity("external_id", " U-7 ").value == "U-7")
    for text in ["", "  ", "a\u{0}b", String(repeating: "x", count: 256)] {
      #expect(throws: IdentityFault.self) {
        try IdentityForm.standard.identity("external_id", text)
      }
    }
    #expect(throws: IdentityFault.self) { try IdentityForm.standard.identity("shoe_size", "43") }
  }

  @Test("references are ids or kind and value")
  func references() throws {
    let id = "0192f0c1-0000-7000-8000-000000000001"
    #expect(try UserRef(text: id.uppercased()).text == id)
    #expect(try UserRef(text: "phone:138 0013 8000").text == "phone:+8613800138000")
    #expect(try UserRef(text: "external_id:a:b").text == "external_id:a:b")
    for text in ["", "u-77", "external_id:", "nobody:1"] {
      #expect(throws: IdentityFault.self) { try UserRef(text: text) }
    }
  }

  @Test(
    "language tags are put into their canonical form",
    arguments: [
      ("zh-cn", "zh-CN"), ("ZH-hans-cn", "zh-Hans-CN"), ("en", "en"), ("es-419", "es-419"),
      ("de-1996", "de-1996"), ("sl-rozaj-biske", "sl-rozaj-biske"),
      ("en-u-ca-gregory", "en-u-ca-gregory"),
      ("zh-yue-HK", "zh-yue-HK"),
    ])
  func languages(text: String, expected: String) {
    #expect(LanguageTag.canonical(text) == expected)
  }

  @Test(
    "what is no language tag is refused",
    arguments: [
      "", "z", "zh_CN", "zh-", "-CN", "english language", "zh-CN-", "en-u", "abcdefghi", "zh--CN",
    ])
  func badLanguages(text: String) {
    #expect(LanguageTag.canonical(text) == nil)
  }

  @Test("zones are names of the IANA database, not abbreviations or offsets")
  func zones() {
    for name in [
      "Asia/Shanghai", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata",
    ] {
      #expect(TimeZoneName.isValid(name), "\(name)")
    }
    for name in [
      "EST", "GMT+8", "asia/shanghai", "Asia/Nowhere", "+08:00", "", "Asia/../Asia/Shanghai",
      "posix/Asia/Shanghai",
    ] {
      #expect(!TimeZoneName.isValid(name), "\(name)")
    }
  }

  @Test("analysts see the first letter of what is personal")
  func masks() {
    let masked = UserMask.masked([
      "name": "李雷", "Phone_Number": 13_800_138_000, "city": "杭州",
      "address": ["street": "文一路", "zip": "310000"], "age": 41,
    ])
    #expect(
      masked == [
        "name": "李***", "Phone_Number": "***", "city": "杭州",
        "address": ["street": "文***", "zip": "3***"], "age": 41,
      ])
  }
}
