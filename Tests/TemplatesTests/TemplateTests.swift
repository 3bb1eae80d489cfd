import JSON
import Templates
import Testing

private func template(_ source: String) throws -> Template {
  let faults = Faults()
  let template = Template.parse(source, faults: faults)
  #expect(faults.all.isEmpty)
  return try #require(template)
}

private let values: JSONValue = [
  "user": [
    "first_name": "Zoë", "email": .null, "vip": false, "n": 3, "zero": 0, "blank": "",
    "balance": .number(JSONNumber("1234.50") ?? JSONNumber(0)), "tags": ["a", "b", 1, .null],
    "none": [], "address": ["city": "杭州"], "full name": "Zoë B", "姓名": "李雷",
    "evil": "{{ user.n }} {% if %} | default: 'x'", "lines": "a\r\n\tb\u{0}\u{7}\u{202E}c\u{2066}",
    "html": "<b>&\"'", "nested": [["x"]],
  ],
  "plan": ["key": "p"],
  "steps": ["s-1": ["coupon": ["code": "W26-1"]]],
]

private func lookup(_ path: TemplatePath) -> JSONValue? {
  values[JSONPointer(tokens: [path.root.rawValue] + path.names)]
}

@Suite("Templates")
struct TemplateTests {
  @Test(
    "values and defaults",
    arguments: [
      ("Hi {{ user.first_name | default: 'there' }}", "Hi Zoë"),
      ("Hi {{ user.nick | default: 'there' }}", "Hi there"),
      ("Hi {{user.nick|default:\"it's\"}}!", "Hi it's!"),
      ("{{ user.email | default: 'none' }}", "none"), ("{{ user.vip | default: 'x' }}", "x"),
      ("{{ user.vip }}", "false"), ("{{ user.zero | default: 'x' }}", "0"),
      ("{{ user.blank | default: 'x' }}", "x"), ("[{{ user.blank }}]", "[]"),
      ("{{ user.none | default: 'x' }}", "x"), ("{{ user.balance }}", "1234.50"),
      ("{{ user.tags }}", "a, b, 1"), ("{{ user.address.city }}", "杭州"),
      ("{{ user['full name'] }} {{ user[\"姓名\"] }} {{ user.姓名 }}", "Zoë B 李雷 李雷"),
      ("{{ plan.key }}/{{ steps.s-1.coupon.code }}", "p/W26-1"),
      ("{{ user.evil }}", "{{ user.n }} {% if %} | default: 'x'"),
      ("{{ user.lines }}", "a bc"), ("no place } }} { x", "no place } }} { x"), ("", ""),
      ("{{ user.nick | default: '' }}", ""), ("a\n{{ user.n }}\r\nb", "a\n3\r\nb"),
    ])
  func renders(source: String, expected: String) throws {
    #expect(try template(source).render(lookup: lookup) == .rendered(expected))
  }

  @Test("places without value or default are all named, once each")
  func missing() throws {
    let parsed = try template(
      "{{ user.a }}{{ user.n }}{{ event.b.c }}{{ user.a }}{{ user.d | default: 'x' }}{{ user.email }}"
    )
    #expect(
      parsed.render(lookup: lookup)
        == .missing([
          TemplatePath(.user, ["a"]), TemplatePath(.event, ["b", "c"]),
          TemplatePath(.user, ["email"]),
        ]))
    #expect(
      parsed.references.map(\.description) == [
        "user.a", "user.n", "event.b.c", "user.d", "user.email",
      ])
    #expect(
      try template("{{ user[\"it's\"]['x y'] }}").references[0].description
        == "user[\"it's\"]['x y']")
  }

  @Test(
    "faults have line, column and offset",
    arguments: [
      ("{{ unclosed", "unknown_variable", "(line 1, column 1, offset 0)"),
      ("{{ user.n", "invalid_format", "(line 1, column 1, offset 0)"),
      ("é\nab{{ user.n | upcase }}", "invalid_format", "(line 2, column 15, offset 17)"),
      ("{{ }}", "invalid_format", "(line 1, column 4, offset 3)"),
      ("{{ user }}", "unknown_variable", "(line 1, column 1, offset 0)"),
      ("{{ name }}", "unknown_variable", "(line 1, column 1, offset 0)"),
      ("{{ plan.name }}", "unknown_variable", "(line 1, column 1, offset 0)"),
      ("{{ steps.a.sent }}", "unknown_variable", "(line 1, column 1, offset 0)"),
      ("{{ user..n }}", "invalid_format", "(line 1, column 9, offset 8)"),
      ("{{ user.n | default }}", "invalid_format", "(line 1, column 21, offset 20)"),
      ("{{ user.n | default: 5 }}", "invalid_format", "(line 1, column 22, offset 21)"),
      ("{{ user.n | default: 'x }}", "invalid_format", "(line 1, column 22, offset 21)"),
      (
        "{{ user.n | default: 'x' | default: 'y' }}", "invalid_format",
        "(line 1, column 26, offset 25)"
      ),
      ("{{- user.n }}", "unknown_variable", "(line 1, column 1, offset 0)"),
      ("{% if user.n %}", "invalid_format", "(line 1, column 1, offset 0)"),
      ("a\u{202E}b", "invalid_format", "(line 1, column 2, offset 1)"),
      ("a\u{0}b", "invalid_format", "(line 1, column 2, offset 1)"),
    ])
  func faults(source: String, code: String, place: String) {
    let faults = Faults()
    let pointer = JSONPointer.root.appending("body")
    #expect(Template.parse(source, at: pointer, faults: faults) == nil)
    #expect(faults.all.first?.code.rawValue == code)
    #expect(faults.all.first?.pointer == pointer)
    #expect(faults.all.first?.detail.hasSuffix(place) == true, "\(faults.all)")
  }

  @Test("reading goes on after a fault")
  func several() {
    let faults = Faults()
    _ = Template.parse("{{ a.b }} {{ user.n | x }} {{ user.n }} {{ {{ c.d }}", faults: faults)
    #expect(faults.count == 4)
  }

  @Test("a single line refuses breaks in its text and defaults")
  func singleLine() {
    for source in ["a\nb", "a\rb", "{{ user.n | default: 'a\r\nb' }}"] {
      let faults = Faults()
      #expect(Template.parse(source, singleLine: true, faults: faults) == nil, "\(source)")
      #expect(Template.parse(source, faults: Faults()) != nil)
    }
  }

  @Test("objects and arrays of arrays are no text")
  func noText() throws {
    for name in ["address", "nested"] {
      #expect(
        try template("{{ user.\(name) | default: 'x' }}").render(lookup: lookup)
          == .notText(TemplatePath(.user, [name])))
    }
  }

  @Test("values are escaped for their surroundings, the template's text is not")
  func escaping() throws {
    let parsed = try template("<i>{{ user.html }}</i>{{ user.x | default: \"<'>\" }}")
    #expect(
      parsed.render(escaping: .html, lookup: lookup)
        == .rendered("<i>&lt;b&gt;&amp;&quot;&#39;</i>&lt;&#39;&gt;"))
    #expect(
      try template("https://x/?a={{ user['full name'] }}").render(escaping: .url, lookup: lookup)
        == .rendered("https://x/?a=Zo%C3%AB%20B"))
  }

  @Test("a large value or many of them end at the limit")
  func limit() throws {
    let large = JSONValue.string(String(repeating: "x", count: 1 << 20))
    #expect(try template("{{ user.n }}").render { _ in large } == .tooLong(limit: 65_536))
    let ten = JSONValue.string("0123456789")
    let parsed = try template(String(repeating: "{{ user.n }}", count: 10))
    #expect(parsed.render(limit: 99) { _ in ten } == .tooLong(limit: 99))
    #expect(parsed.render(limit: 100) { _ in ten } != .tooLong(limit: 100))
    let faults = Faults()
    #expect(Template.parse(String(repeating: "{{ user.n }}", count: 201), faults: faults) == nil)
    #expect(faults.count == 1)
  }

  @Test("hostile texts are refused or rendered, in time linear in their length")
  func hostile() {
    let parts = [
      "{{", "}}", "{%", "|", "default:", "'", "\"", "user", ".", "[", "]", "n", " ", "é", "\n",
      "\u{202E}",
    ]
    var state: UInt64 = 1
    for _ in 0..<2000 {
      var source = ""
      for _ in 0..<12 {
        state = state &* 6_364_136_223_846_793_005 &+ 1
        source += parts[Int(state >> 33) % parts.count]
      }
      let faults = Faults()
      let parsed = Template.parse(source, faults: faults)
      #expect((parsed == nil) == !faults.isEmpty)
      _ = parsed?.render(lookup: lookup)
    }
    let deep = String(repeating: "{{ user.n | ", count: 20_000)
    let faults = Faults()
    #expect(Template.parse(deep, faults: faults) == nil)
    #expect(faults.count == 20)
  }
}
