import JSON

/// What became of a template.
public enum Rendering: Sendable, Equatable {
  case rendered(String)
  /// Places without a value and without a default, in order.
  case missing([TemplatePath])
  /// A value is an object, or an array of arrays or objects, which have no text.
  case notText(TemplatePath)
  /// The text would have more bytes than allowed.
  case tooLong(limit: Int)
}

/// How values are made safe for what surrounds them; the template's own text is left alone.
public enum Escaping: Sendable {
  /// Nothing but `PlainText`: SMS, push, in-app, subjects.
  case plain
  /// For HTML text and quoted attributes: `&amp;` `&lt;` `&gt;` `&quot;` `&#39;`.
  case html
  /// For a part of a URL: everything but the unreserved characters of RFC 3986 as %XX.
  case url
}

extension Template {
  public static let defaultLimit = 65_536

  /// Puts values into their places.
  ///
  /// `lookup` answers nil for what is absent; null is absent too. The default is taken for absent
  /// values, `false`, the empty text and the empty array (as in Liquid), the latter three stand for
  /// themselves without one. Texts are put in as they are, numbers as written, arrays of those
  /// joined with ", ". Values lose line breaks, control characters and bidi overrides; defaults are
  /// the author's own text and are escaped, but not cleaned.
  public func render(
    escaping: Escaping = .plain, limit: Int = defaultLimit,
    lookup: (TemplatePath) -> JSONValue?
  ) -> Rendering {
    var out = ""
    var missing: [TemplatePath] = []
    for piece in pieces {
      switch piece {
      case .text(let text): out += text
      case .place(let path, let fallback):
        let value = lookup(path) ?? .null
        if let fallback, value.takesDefault {
          out += escaping.escape(fallback)
        } else if value.isNull {
          if !missing.contains(path) { missing.append(path) }
        } else {
          guard let text = value.messageText else { return .notText(path) }
          guard text.utf8.count <= limit else { return .tooLong(limit: limit) }
          out += escaping.escape(PlainText.clean(text))
        }
      }
      if out.utf8.count > limit { return .tooLong(limit: limit) }
    }
    return missing.isEmpty ? .rendered(out) : .missing(missing)
  }
}

extension JSONValue {
  fileprivate var takesDefault: Bool {
    switch self {
    case .null, .bool(false): true
    case .string(let text): text.isEmpty
    case .array(let elements): elements.isEmpty
    default: false
    }
  }

  /// Nil for what has no text.
  fileprivate var messageText: String? {
    switch self {
    case .string(let text): return text
    case .number(let number): return number.text
    case .bool(let flag): return flag ? "true" : "false"
    case .array(let elements):
      var texts: [String] = []
      for element in elements where !element.isNull {
        if element.arrayValue != nil { return nil }
        guard let text = element.messageText else { return nil }
        texts.append(text)
      }
      return texts.joined(separator: ", ")
    case .null, .object: return nil
    }
  }
}

extension Escaping {
  fileprivate func escape(_ text: String) -> String {
    switch self {
    case .plain: return text
    case .html:
      var out = String.UnicodeScalarView()
      for scalar in text.unicodeScalars {
        switch scalar {
        case "&": out.append(contentsOf: "&amp;".unicodeScalars)
        case "<": out.append(contentsOf: "&lt;".unicodeScalars)
        case ">": out.append(contentsOf: "&gt;".unicodeScalars)
        case "\"": out.append(contentsOf: "&quot;".unicodeScalars)
        case "'": out.append(contentsOf: "&#39;".unicodeScalars)
        default: out.append(scalar)
        }
      }
      return String(out)
    case .url:
      let hex = Array("0123456789ABCDEF".utf8)
      var out: [UInt8] = []
      for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
          UInt8(ascii: "_"), UInt8(ascii: "~"):
          out.append(byte)
        default: out += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
        }
      }
      return String(decoding: out, as: UTF8.self)
    }
  }
}
