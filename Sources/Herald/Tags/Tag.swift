import Conditions
import Foundation
import JSON

/// A labelled fact about users, as the catalogue declares it.
public struct Tag: Sendable, Equatable {
  public enum Category: String, Sendable, CaseIterable {
    case basic, behaviour, order, rating, rfm, lifecycle, custom
  }
  public enum Kind: String, Sendable, CaseIterable {
    case flag, text, number, choice
  }

  public let key: String
  public var name: String
  public var category: Category
  public var type: Kind
  /// The values of a `choice` tag.
  public var choices: [String]?
  /// Whom the tag is set for by rule; a condition document.
  public var rule: JSONValue?
  /// How long a value holds when it is set without an expiry.
  public var ttl: TimeSpan?

  /// What is wrong with `value` for this tag; nil when it fits. A flag is `true`.
  public func fault(of value: JSONValue, at pointer: JSONPointer) -> JSONFault? {
    let expected: String
    switch (type, value) {
    case (.flag, .bool(true)), (.number, .number): return nil
    case (.text, .string(let text)):
      if text.unicodeScalars.count <= 1024 { return nil }
      return JSONFault(.tooLong, at: pointer, "A tag's text has at most 1024 characters.")
    case (.choice, .string(let text)):
      if choices?.contains(where: { $0.utf8.elementsEqual(text.utf8) }) ?? false { return nil }
      let known = (choices ?? []).map { "'\($0)'" }.joined(separator: ", ")
      return JSONFault(.invalidChoice, at: pointer, "Tag '\(key)' takes one of \(known).")
    case (.flag, _): expected = "true (or remove the tag)"
    case (.text, _): expected = "a string"
    case (.number, _): expected = "a number"
    case (.choice, _): expected = "one of its choices"
    }
    return JSONFault(.typeMismatch, at: pointer, "Tag '\(key)' takes \(expected).")
  }
}

/// A tag of the catalogue with its place in time.
public struct StoredTag: Sendable {
  public let tag: Tag
  public let version: Int
  public let createdAt: Date
  public let updatedAt: Date
}
