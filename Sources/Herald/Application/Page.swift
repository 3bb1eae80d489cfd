import Cryptography
import Foundation
import HTTP
import JSON

/// One page of a keyset-paged list.
public struct Page<Item: Sendable>: Sendable {
  public let items: [Item]
  /// The position of the last item, when there may be more.
  public let next: Cursor?

  /// `rows` holds up to `request.limit + 1` items: the extra one tells that there is more.
  public init(_ rows: [Item], _ request: PageRequest, position: (Item) -> [String]) {
    items = Array(rows.prefix(request.limit))
    next = rows.count > request.limit ? items.last.map { Cursor(position($0)) } : nil
  }
}

/// Where a page starts: the sort values of the last row before it.
public struct Cursor: Sendable, Equatable {
  public let values: [String]

  public init(_ values: [String]) { self.values = values }

  public var text: String {
    Base64.encodeURL(JSONValue.array(values.map(JSONValue.string)).bytes)
  }

  public init?(text: String) {
    guard let bytes = Base64.decodeURL(text),
      let array = try? JSONScanner.parse(bytes).arrayValue
    else { return nil }
    values = array.compactMap(\.stringValue)
    guard values.count == array.count else { return nil }
  }
}

/// `?limit=&after=` of a list.
public struct PageRequest: Sendable {
  public let limit: Int
  public let after: Cursor?

  public init(limit: Int = 50, after: Cursor? = nil) {
    self.limit = limit
    self.after = after
  }

  /// `width`: how many sort values the list's cursor has.
  public init(_ request: Request, width: Int) throws {
    limit = try request.integer("limit", 1...200) ?? 50
    guard let text = request.query("after") else {
      after = nil
      return
    }
    guard let cursor = Cursor(text: text), cursor.values.count == width else {
      throw HeraldError(
        .badQuery, "`after` must be the `next` cursor of a page of this list.", pointer: "after")
    }
    after = cursor
  }
}

extension Request {
  /// An integer query parameter in `range`; 400 otherwise.
  public func integer(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
    guard let text = query(name) else { return nil }
    guard let value = Int(text), String(value) == text, range.contains(value) else {
      throw HeraldError(
        .badQuery,
        "`\(name)` must be a whole number from \(range.lowerBound) to \(range.upperBound).",
        pointer: name)
    }
    return value
  }

  /// A query parameter out of `choices`; 400 otherwise.
  public func choice(_ name: String, _ choices: [String]) throws -> String? {
    guard let text = query(name) else { return nil }
    guard choices.contains(text) else {
      throw HeraldError(
        .badQuery, "`\(name)` must be one of \(choices.joined(separator: ", ")).", pointer: name)
    }
    return text
  }

  /// The key of a named thing in the query; 400 otherwise.
  public func key(_ name: String) throws -> String? {
    try text(name, .key)
  }

  /// A query parameter of a form; 400 otherwise.
  public func text(_ name: String, _ pattern: TextPattern) throws -> String? {
    guard let text = query(name) else { return nil }
    guard pattern.matches(text) else {
      throw HeraldError(
        .badQuery, "\(pattern.expectation) is expected as `\(name)`.", pointer: name)
    }
    return text
  }

  /// An RFC 3339 query parameter; 400 otherwise.
  public func instant(_ name: String) throws -> Date? {
    guard let text = query(name) else { return nil }
    guard let date = Date(rfc3339: text) else {
      throw HeraldError(
        .badQuery,
        "`\(name)` must be an RFC 3339 instant with its offset, like 2026-11-20T10:00:00Z.",
        pointer: name)
    }
    return date
  }
}

extension Response {
  /// `{"data": […], "next": …}` with `Link: rel="next"` that keeps the request's filters.
  public static func page<Item>(
    _ page: Page<Item>, _ request: Request, item: (Item) -> JSONValue
  ) -> Response {
    var response = Response.json(
      200, ["data": .array(page.items.map(item)), "next": .optional(page.next?.text)])
    if let next = page.next {
      var components = URLComponents()
      components.path = request.path
      components.queryItems =
        request.query.filter { $0.name != "after" }.map {
          URLQueryItem(name: $0.name, value: $0.value)
        }
        + [URLQueryItem(name: "after", value: next.text)]
      if let target = components.string {
        response.headers["link"] = "<\(target)>; rel=\"next\""
      }
    }
    return response
  }
}
