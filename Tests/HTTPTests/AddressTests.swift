import Logging
import Testing

@testable import HTTP

@Suite("Addresses")
struct AddressTests {
  @Test(
    "addresses are read and written in their canonical form",
    arguments: [
      ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("2001:DB8:0:0::1", "2001:db8::1"),
      ("::ffff:10.1.2.3", "10.1.2.3"), ("255.255.255.255", "255.255.255.255"),
    ])
  func text(_ given: String, _ canonical: String) throws {
    #expect(try #require(IPAddress(parsing: given)).description == canonical)
  }

  @Test(
    "other texts are no addresses", arguments: ["", "a", "1.2.3", "1.2.3.4:80", "[::1]", "::1%lo"])
  func malformed(_ text: String) {
    #expect(IPAddress(parsing: text) == nil)
  }

  @Test(
    "a range holds what shares its prefix",
    arguments: [
      ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false),
      ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false),
      ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "::1", false),
      ("fd00::/8", "fdff::1", true), ("fd00::/8", "fe00::1", false),
      ("2001:db8::/65", "2001:db8::7fff:0:0:1", true),
      ("2001:db8::/65", "2001:db8::8000:0:0:1", false), ("::/0", "10.0.0.1", false),
    ])
  func ranges(_ range: String, _ address: String, _ inside: Bool) throws {
    let range = try #require(AddressRange(range))
    #expect(range.contains(try #require(IPAddress(parsing: address))) == inside)
  }

  @Test(
    "malformed ranges are refused",
    arguments: ["10.0.0.0/33", "a/8", "10.0.0.0/", "1/2/3", "::/129"])
  func malformedRange(_ text: String) {
    #expect(AddressRange(text) == nil)
  }

  @Test(
    "a trusted proxy's word goes as far as the first address that is not trusted",
    arguments: [
      ("10.0.0.1", "1.1.1.1", "1.1.1.1"), ("10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"),
      ("10.0.0.1", "1.1.1.1 ,10.0.0.2", "1.1.1.1"), ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
      ("10.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2"), ("10.0.0.1", "", "10.0.0.1"),
      ("8.8.8.8", "1.1.1.1", "8.8.8.8"),
    ])
  func forwarded(_ peer: String, _ field: String, _ client: String) throws {
    var configuration = ServerConfiguration()
    configuration.trustedProxies = [try #require(AddressRange("10.0.0.0/8"))]
    let service = Service(
      router: try Router([]), configuration: configuration, logger: Logger(label: "test"))
    let address = try #require(IPAddress(parsing: peer))
    let headers: HTTPHeaders = ["X-Forwarded-For": field]
    #expect(service.clientAddress(address, headers).description == client)
  }
}
