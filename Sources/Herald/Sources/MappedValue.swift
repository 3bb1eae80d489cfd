import Foundation
import JSON
import Templates

/// One thing of another system as its mapping sees it.
struct ForeignItem: Sendable {
  let value: JSONValue
  /// Its place in the body it came in.
  let pointer: JSONPointer
  /// Of the request, by lower-case names.
  let headers: JSONObject
  let index: Int

  init(
    _ value: JSONValue, at pointer: JSONPointer = .root, headers: JSONObject = [:], index: Int = 0
  ) {
    self.value = value
    self.pointer = pointer
    self.headers = headers
    self.index = index
  }
}

/// Why an item cannot become what its mapping says: the place in the body, and the field of the mapping
/// that looked there.
struct MappingFault: Error, Sendable, Equatable {
  let field: JSONPointer
  let fault: JSONFault

  init(_ code: JSONFault.Code, _ field: JSONPointer, at place: JSONPointer, _ detail: String) {
    self.field = field
    fault = JSONFault(code, at: place, detail)
  }
}

/// Where one value comes from: a constant, a JSON pointer into the item, a header, or a template over
/// both; with a default, a translation and a conversion.
struct MappedValue: Sendable, Equatable {
  enum Origin: Sendable, Equatable {
    case constant(JSONValue)
    case pointer(JSONPointer)
    /// In lower case.
    case header(String)
    case template(Template)
  }

  enum Form: String, Sendable, CaseIterable {
    case text, number, boolean
  }

  /// Its place in the source's document.
  let field: JSONPointer
  let origin: Origin
  var fallback: JSONValue?
  var translations: JSONObject?
  var form: Form?
  /// Of instants written without an offset.
  var zone: TimeZone?

  /// Where in the body the value lies, or would.
  func place(in item: ForeignItem) -> JSONPointer {
    if case .pointer(let pointer) = origin { item.pointer.appending(pointer) } else { item.pointer }
  }

  /// Nil for what is absent or null and has no default.
  func value(in item: ForeignItem) throws(MappingFault) -> JSONValue? {
    guard let found = try raw(item), !found.isNull else { return fallback }
    guard let translated = try translated(found, item) else { return fallback }
    return try converted(translated, item)
  }

  /// The value as text: numbers and booleans as written. The empty text is absent.
  func text(in item: ForeignItem) throws(MappingFault) -> String? {
    guard let value = try value(in: item) else { return nil }
    guard let text = value.scalarText else {
      throw fault(.typeMismatch, item, "A text is expected here, not \(value.article).")
    }
    return text.isEmpty ? nil : text
  }

  func fault(
    _ code: JSONFault.Code, _ item: ForeignItem, _ detail: String
  ) -> MappingFault {
    MappingFault(code, field, at: place(in: item), detail)
  }

  private func raw(_ item: ForeignItem) throws(MappingFault) -> JSONValue? {
    switch origin {
    case .constant(let value): return value
    case .pointer(let pointer): return item.value[pointer]
    case .header(let name): return item.headers[name]
    case .template(let template):
      switch template.render(lookup: { item.value(at: $0) }) {
      case .rendered(let text): return .string(text)
      case .missing(let paths):
        guard fallback == nil else { return nil }
        let names = paths.map(\.description).joined(separator: ", ")
        throw fault(.required, item, "The template needs \(names), which is not there.")
      case .notText(let path):
        throw fault(.typeMismatch, item, "'\(path)' has no text for the template.")
      case .tooLong(let limit):
        throw fault(.tooLong, item, "The template makes more than \(limit) bytes of this.")
      }
    }
  }

  private func translated(
    _ value: JSONValue, _ item: ForeignItem
  ) throws(MappingFault) -> JSONValue? {
    guard let translations else { return value }
    if let text = value.scalarText, let found = translations[text] { return found }
    guard fallback == nil else { return nil }
    throw fault(.invalidChoice, item, "The mapping has no translation for this value.")
  }

  private func converted(
    _ value: JSONValue, _ item: ForeignItem
  ) throws(MappingFault) -> JSONValue {
    switch form {
    case nil: return value
    case .text:
      guard let text = value.scalarText else { break }
      return .string(text)
    case .number:
      if value.numberValue != nil { return value }
      guard let number = value.stringValue.flatMap({ JSONNumber($0) }) else { break }
      return .number(number)
    case .boolean:
      switch value.scalarText {
      case "true", "1": return true
      case "false", "0": return false
      default: break
      }
    }
    throw fault(
      .typeMismatch, item, "This is no \(form?.rawValue ?? "value"), which the mapping makes it.")
  }
}

extension JSONValue {
  /// Of texts, numbers and booleans.
  var scalarText: String? {
    switch self {
    case .string(let text): text
    case .number(let number): number.text
    case .bool(let flag): flag ? "true" : "false"
    case .null, .array, .object: nil
    }
  }
}

extension ForeignItem {
  /// For templates; `item.lines.0.sku` leads into arrays too.
  fileprivate func value(at path: TemplatePath) -> JSONValue? {
    switch path.root {
    case .item: value[JSONPointer(tokens: path.names)]
    case .header: path.names.first.flatMap { headers[$0.lowercased()] }
    case .user, .event, .plan, .steps, .unsubscribeURL: nil
    }
  }
}
