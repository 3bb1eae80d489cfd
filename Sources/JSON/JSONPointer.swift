/// A place in a JSON document (RFC 6901). Problems point at their cause with it.
public struct JSONPointer: Sendable, Hashable, CustomStringConvertible {
  /// The unescaped reference tokens, outermost first.
  public private(set) var tokens: [String]

  /// The whole document, written as the empty string.
  public static let root = JSONPointer(tokens: [])

  public init(tokens: [String]) { self.tokens = tokens }

  /// Nil when the text is neither empty nor begins with `/`, or has a `~` not followed by 0 or 1.
  public init?(_ text: String) {
    var tokens: [String] = []
    var token: [UInt8] = []
    var tilde = false
    for (index, byte) in text.utf8.enumerated() {
      if tilde {
        switch byte {
        case UInt8(ascii: "0"): token.append(UInt8(ascii: "~"))
        case UInt8(ascii: "1"): token.append(UInt8(ascii: "/"))
        default: return nil
        }
        tilde = false
      } else if byte == UInt8(ascii: "/") {
        if index > 0 { tokens.append(String(decoding: token, as: UTF8.self)) }
        token.removeAll(keepingCapacity: true)
      } else if index == 0 {
        return nil
      } else if byte == UInt8(ascii: "~") {
        tilde = true
      } else {
        token.append(byte)
      }
    }
    if tilde { return nil }
    if !text.isEmpty { tokens.append(String(decoding: token, as: UTF8.self)) }
    self.tokens = tokens
  }

  public func appending(_ key: String) -> JSONPointer { JSONPointer(tokens: tokens + [key]) }
  public func appending(_ index: Int) -> JSONPointer { appending(String(index)) }
  public func appending(_ other: JSONPointer) -> JSONPointer {
    JSONPointer(tokens: tokens + other.tokens)
  }

  public var description: String {
    var out: [UInt8] = []
    for token in tokens {
      out.append(UInt8(ascii: "/"))
      for byte in token.utf8 {
        switch byte {
        case UInt8(ascii: "~"): out.append(contentsOf: "~0".utf8)
        case UInt8(ascii: "/"): out.append(contentsOf: "~1".utf8)
        default: out.append(byte)
        }
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}

extension JSONValue {
  /// The value a pointer names, or nil. Array tokens are indexes without leading zeros.
  public subscript(pointer: JSONPointer) -> JSONValue? {
    var value = self
    for token in pointer.tokens {
      switch value {
      case .object(let object):
        guard let member = object[token] else { return nil }
        value = member
      case .array(let elements):
        guard let index = Int(token), String(index) == token, elements.indices.contains(index)
        else { return nil }
        value = elements[index]
      default: return nil
      }
    }
    return value
  }
}
