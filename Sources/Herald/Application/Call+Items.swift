import HTTP
import JSON

extension Call {
  /// The items of a batch, each with its own faults: a bad one does not spoil the others. Only what
  /// is no JSON, or no object with such an array, fails the whole.
  func readItems<Item>(
    _ key: String, count: ClosedRange<Int>, _ read: (ObjectReader, Faults) -> Item?
  ) throws -> [Result<Item, HeraldError>] {
    let batch = try batch(key)
    let faults = Faults()
    guard let reader = ObjectReader(batch.frame, faults: faults) else {
      throw HeraldError.invalid(faults.all)
    }
    let places = reader.array(key, required: true, count: count)
    reader.finish()
    guard faults.isEmpty, let places else { throw HeraldError.invalid(faults.all) }
    return zip(places, batch.items).map { place, item in
      let faults = Faults()
      let value: JSONValue
      switch item {
      case .success(let found): value = found
      case .failure(let fault): return .failure(.invalid([fault.inside(place.pointer)]))
      }
      guard let reader = ObjectReader(value, at: place.pointer, faults: faults) else {
        return .failure(HeraldError.invalid(faults.all))
      }
      let item = read(reader, faults)
      reader.finish()
      guard faults.isEmpty, let item else { return .failure(HeraldError.invalid(faults.all)) }
      return .success(item)
    }
  }

  /// The items of the body's array at `key`, and the body with null in the place of each.
  private func batch(
    _ key: String
  ) throws -> (frame: JSONValue, items: [Result<JSONValue, JSONFault>]) {
    guard !request.body.isEmpty else { return (try json(), []) }
    var cursor = JSONCursor(request.body)
    var frame: [(key: String, value: JSONValue)] = []
    var items: [Result<JSONValue, JSONFault>] = []
    do throws(JSONFault) {
      guard try cursor.peek() == .object else { return (try JSONScanner.parse(request.body), []) }
      try cursor.openObject()
      while let name = try cursor.nextKey() {
        do throws(JSONFault) {
          guard name == key, try cursor.peek() == .array else {
            frame.append((name, try cursor.value()))
            continue
          }
          items = try Self.items(&cursor)
          frame.append((name, .array(Array(repeating: .null, count: items.count))))
        } catch {
          throw error.inside(JSONPointer(tokens: [name]))
        }
      }
      try cursor.end()
    } catch {
      throw HeraldError(
        .malformedJSON, error.detail, pointer: error.pointer.description, faults: [error])
    }
    return (.object(JSONObject(frame)), items)
  }

  private static func items(
    _ cursor: inout JSONCursor
  ) throws(JSONFault) -> [Result<JSONValue, JSONFault>] {
    var items: [Result<JSONValue, JSONFault>] = []
    try cursor.openArray()
    while try cursor.nextElement() {
      let range = try cursor.skipUnchecked()
      do throws(JSONFault) {
        items.append(
          try cursor.isolated(range) { item throws(JSONFault) in try item.value() })
      } catch {
        throw error.inside(JSONPointer(tokens: [String(items.count)]))
      }
    }
    return items
  }
}
