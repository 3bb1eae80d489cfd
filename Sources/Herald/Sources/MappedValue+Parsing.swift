import Foundation
import JSON
import Templates

extension MappedValue {
  /// A text that begins with `/` is a pointer, one with `{{` a template, any other a constant; an object
  /// says which it is: `{"pointer" | "header" | "template" | "value": …, "default", "map", "as", "zone"}`.
  init?(_ json: JSONValue, at field: JSONPointer, _ faults: Faults) {
    switch json {
    case .string(let text): self.init(text: text, at: field, faults)
    case .number, .bool: self.init(field: field, origin: .constant(json))
    case .object:
      guard let reader = ObjectReader(json, at: field, faults: faults) else { return nil }
      self.init(reader)
    case .null, .array:
      faults.add(
        .typeMismatch, at: field,
        "A pointer, a template, a constant or an object that names one is expected here, not "
          + "\(json.article).")
      return nil
    }
  }

  private init?(text: String, at field: JSONPointer, _ faults: Faults) {
    if text.hasPrefix("/") {
      guard let pointer = JSONPointer(text) else {
        faults.add(.invalidFormat, at: field, Self.pointerExpectation)
        return nil
      }
      self.init(field: field, origin: .pointer(pointer))
    } else if text.contains("{{") {
      let template = Template.parse(
        text, at: field, roots: TemplatePath.Root.mapping, faults: faults)
      guard let template else { return nil }
      self.init(field: field, origin: .template(template))
    } else {
      self.init(field: field, origin: .constant(.string(text)))
    }
  }

  static let pointerExpectation =
    "A JSON pointer is expected here, such as /customer/email (RFC 6901)."

  private static let origins = ["pointer", "header", "template", "value"]

  private init?(_ reader: ObjectReader) {
    let before = reader.faults.count
    let given = Self.origins.filter(reader.has)
    if given.count != 1 {
      reader.faults.add(
        .required, at: reader.pointer,
        "Exactly one of pointer, header, template and value is needed here.")
    }
    let origin = given.first.flatMap { Self.origin($0, reader) }
    fallback = reader.value("default").flatMap { $0.isNull ? nil : $0 }
    form = reader.choice("as", Form.self)
    if let map = reader.object("map") {
      for (key, value) in map.object {
        map.allow(key)
        if value.scalarText == nil {
          map.add(.typeMismatch, key, "A text, number or boolean is expected here.")
        }
      }
      translations = map.object
    }
    if let name = reader.string("zone", minLength: 1, maxLength: 64) {
      zone = TimeZoneName.isValid(name) ? TimeZone(identifier: name) : nil
      if zone == nil {
        reader.add(
          .invalidFormat, "zone", "A zone of the IANA database is expected, such as Asia/Shanghai.")
      }
    }
    for other in Self.origins { reader.allow(other) }
    reader.finish()
    guard let origin, reader.faults.count == before else { return nil }
    field = reader.pointer
    self.origin = origin
  }

  private static func origin(_ kind: String, _ reader: ObjectReader) -> Origin? {
    switch kind {
    case "value": return reader.value("value").map(Origin.constant)
    case "header": return reader.headerName("header").map(Origin.header)
    case "pointer": return reader.jsonPointer("pointer").map(Origin.pointer)
    default:
      guard let text = reader.string("template", minLength: 1, maxLength: 8192) else { return nil }
      return Template.parse(
        text, at: reader.pointer.appending("template"), roots: TemplatePath.Root.mapping,
        faults: reader.faults
      ).map(Origin.template)
    }
  }
}

extension ObjectReader {
  /// The empty text is the whole document.
  func jsonPointer(_ key: String, required: Bool = false) -> JSONPointer? {
    guard let text = string(key, required: required, maxLength: 1024) else { return nil }
    guard let pointer = JSONPointer(text), pointer.tokens.count <= 32 else {
      add(.invalidFormat, key, MappedValue.pointerExpectation)
      return nil
    }
    return pointer
  }

  /// In lower case.
  func headerName(_ key: String, required: Bool = false) -> String? {
    guard let name = string(key, required: required, minLength: 1, maxLength: 128) else {
      return nil
    }
    guard HeaderName.isValid(name) else {
      add(.invalidFormat, key, "The name of an HTTP header is expected here.")
      return nil
    }
    return name.lowercased()
  }
}

enum HeaderName {
  /// A token of RFC 9110.
  static func isValid(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }
}
