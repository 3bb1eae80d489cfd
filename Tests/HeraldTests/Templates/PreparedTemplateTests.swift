import Foundation
import JSON
import Testing

@testable import Herald

@Suite("Prepared templates")
struct PreparedTemplateTests {
  private let variables = RenderVariables(
    user: [
      "name": "Zoë <b>&\"x\"", "id": "u", "score": .double(12.5), "tags": ["a", "b"], "deep": [:],
    ],
    event: ["order_id": "o 9&x=1", "url": "https://shop.example/p?a=1&b=2"],
    plan: ["key": "winter"],
    steps: ["gift": ["coupon": ["code": "W26-AB", "valid_until": "2026-12-31"]]])

  private func render(
    _ channel: Channel, _ content: JSONValue, _ onMissing: MessageTemplate.OnMissing = .default
  ) throws -> RenderOutcome {
    try PreparedTemplate(content: content, channel: channel, onMissing: onMissing)
      .render(variables)
  }

  private func faults(_ channel: Channel, _ content: JSONValue) -> [String] {
    let faults = Faults()
    _ = PreparedTemplate(
      content, channel, .default, at: JSONPointer(tokens: ["content"]), faults: faults)
    return faults.all.map(\.pointer.description).sorted()
  }

  @Test("put values of the user, event, plan and earlier coupons in their places")
  func values() throws {
    let outcome = try render(
      .push,
      [
        "title": "{{ plan.key }}: {{ steps.gift.coupon.code }}",
        "body": "Hi {{ user.nick | default: 'there' }}, {{ user.score }} {{ user.tags }}",
      ])
    #expect(
      outcome == .content(["title": "winter: W26-AB", "body": "Hi there, 12.5 a, b"]))
  }

  @Test("escape values in HTML, and only there")
  func html() throws {
    let outcome = try render(
      .email,
      [
        "subject": "For {{ user.name }}", "text": "{{ user.name }}",
        "html": "<p title=\"{{ user.name }}\">&nbsp;</p>",
      ])
    #expect(
      outcome
        == .content([
          "subject": "For Zoë <b>&\"x\"", "text": "Zoë <b>&\"x\"",
          "html": "<p title=\"Zoë &lt;b&gt;&amp;&quot;x&quot;\">&nbsp;</p>",
        ]))
  }

  @Test("no value breaks out of a header or line")
  func headers() throws {
    let template = try PreparedTemplate(
      content: ["subject": "Hi {{ user.name }}", "text": "x"], channel: .email,
      onMissing: .default)
    let evil = RenderVariables(user: ["name": "a\r\nBcc: all@example.com\u{202E}\u{0}\u{2028}b"])
    guard case .content(let content) = template.render(evil) else {
      Issue.record("not rendered")
      return
    }
    let subject = try #require(content["subject"]?.stringValue)
    #expect(subject == "Hi a Bcc: all@example.com b")
  }

  @Test("escape a value inside a URL, not one that is the URL")
  func urls() throws {
    let content: JSONValue = [
      "title": "t", "body": "b", "url": "https://x.example/?o={{ event.order_id }}",
      "image": "{{ event.url }}",
    ]
    #expect(
      try render(.push, content)
        == .content([
          "title": "t", "body": "b", "url": "https://x.example/?o=o%209%26x%3D1",
          "image": "https://shop.example/p?a=1&b=2",
        ]))
  }

  @Test("leave out optional fields that came out empty")
  func optional() throws {
    let content: JSONValue = ["title": "t", "body": "b", "image": "{{ user.avatar }}"]
    #expect(try render(.push, content) == .content(["title": "t", "body": "b"]))
  }

  @Test("say what is missing, each once, unless it has a default")
  func missing() throws {
    let content: JSONValue = [
      "title": "{{ user.nick }}{{ user.name }}",
      "body": "{{ user.nick }}{{ event.none }}{{ user.x | default: 'y' }}{{ user.deep }}",
    ]
    let expected = ["user.nick", "event.none", "user.deep"]
    #expect(Set(try missing(content, .skip)) == Set(expected))
    #expect(Set(try missing(content, .fail)) == Set(expected))
    #expect(
      try render(.push, content)
        == .content(["title": "Zoë <b>&\"x\"", "body": "y"]))
  }

  private func missing(
    _ content: JSONValue, _ onMissing: MessageTemplate.OnMissing
  ) throws -> [String] {
    switch (try render(.push, content, onMissing), onMissing) {
    case (.skip(let missing), .skip), (.fail(let missing), .fail): return missing
    case (let outcome, _):
      Issue.record("\(outcome)")
      return []
    }
  }

  @Test("values are never read as templates")
  func inert() throws {
    let template = try PreparedTemplate(
      content: ["text": "{{ user.name }}"], channel: .sms, onMissing: .fail)
    #expect(
      template.render(RenderVariables(user: ["name": "{{ user.id }}"]))
        == .content(["text": "{{ user.id }}"]))
  }

  @Test("documents keep their other values and fill texts at any depth")
  func documents() throws {
    let content: JSONValue = [
      "data": ["n": .double(1.5), "list": [true, "{{ plan.key }}"], "in": ["x": "{{ user.id }}"]]
    ]
    #expect(
      try render(.webhook, content)
        == .content(["data": ["n": .double(1.5), "list": [true, "winter"], "in": ["x": "u"]]]))
  }

  @Test("report every fault of shape and text at its place")
  func reported() {
    #expect(faults(.push, ["title": "{{ nope.x }}", "body": "{{ user.name"]).count == 2)
    #expect(faults(.push, ["title": "a\nb", "body": "x"]) == ["/content/title"])
    #expect(faults(.push, ["title": "t"]) == ["/content/body"])
    #expect(faults(.sms, ["text": "x", "html": "y"]) == ["/content/html"])
    #expect(faults(.email, ["subject": "s"]) == ["/content"])
    #expect(faults(.email, ["subject": "s", "html": "x"]) == [])
    #expect(faults(.coupon, ["x": "y"]) == ["/content"])
    #expect(faults(.webhook, ["data": ["a": ["{% if x %}"]]]) == ["/content/data/a/0"])
    #expect(faults(.wechat, ["template_id": "t", "data": ["k": 1]]) == ["/content/data/k"])
    #expect(faults(.sms, "text") == ["/content"])
  }

  @Test("a manifest gives the same template")
  func manifest() throws {
    let template = MessageTemplate(
      key: "k", channel: .sms, content: ["text": "{{ steps.gift.coupon.code }}"], onMissing: .skip)
    let stored = StoredTemplate(
      template: template, version: 3, createdAt: Date(), updatedAt: Date())
    let prepared = try PreparedTemplate(manifest: stored.manifestJSON)
    #expect(prepared.references == ["steps.gift.coupon.code"])
    #expect(prepared.render(variables) == .content(["text": "W26-AB"]))
    #expect(
      prepared.render(RenderVariables(user: [:])) == .skip(missing: ["steps.gift.coupon.code"]))
  }

  @Test("every channel but coupon has a shape whose schema names its fields")
  func schemas() {
    for channel in Channel.allCases {
      let shape = ContentShape.of(channel)
      #expect((shape == nil) == (channel == .coupon))
      guard let shape else { continue }
      #expect(shape.schema["properties"]?.objectValue?.keys == shape.fields.map(\.name))
      #expect(shape.schema["additionalProperties"] == false)
    }
    #expect(TemplateRoutes.schema["anyOf"]?.arrayValue?.count == Channel.allCases.count - 1)
  }
}
