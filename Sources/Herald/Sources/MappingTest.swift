import JSON

/// One line of a mapping's `when`: an item that fails it is none of this source's and is passed over.
struct MappingTest: Sendable, Equatable {
  enum Expectation: Sendable, Equatable {
    case oneOf([JSONValue])
    case noneOf([JSONValue])
    case exists(Bool)
  }

  let value: MappedValue
  let expectation: Expectation

  /// An absent value equals nothing.
  func holds(for item: ForeignItem) -> Bool {
    let found = (try? value.value(in: item)) ?? nil
    switch expectation {
    case .exists(let wanted): return (found != nil) == wanted
    case .oneOf(let values): return found.map(values.contains) ?? false
    case .noneOf(let values): return !(found.map(values.contains) ?? false)
    }
  }
}

extension MappingTest {
  private static let expectations = ["eq", "ne", "in", "not_in", "exists"]

  /// `{"pointer" | "header": …, "eq" | "ne" | "in" | "not_in" | "exists": …}`
  init?(_ json: JSONValue, at place: JSONPointer, _ faults: Faults) {
    guard let reader = ObjectReader(json, at: place, faults: faults) else { return nil }
    let pointer = reader.jsonPointer("pointer")
    let header = reader.headerName("header")
    let given = Self.expectations.filter(reader.has)
    let expectation = given.count == 1 ? Self.expectation(given[0], reader) : nil
    if given.count != 1 {
      faults.add(.required, at: place, "Exactly one of eq, ne, in, not_in and exists is needed.")
    }
    if reader.has("pointer") == reader.has("header") {
      faults.add(.required, at: place, "Either a pointer or a header is needed here.")
    }
    for name in Self.expectations { reader.allow(name) }
    reader.finish()
    guard let expectation,
      let origin = pointer.map(MappedValue.Origin.pointer) ?? header.map({ .header($0) })
    else { return nil }
    self.init(value: MappedValue(field: place, origin: origin), expectation: expectation)
  }

  private static func expectation(_ name: String, _ reader: ObjectReader) -> Expectation? {
    switch name {
    case "exists": return reader.bool("exists").map(Expectation.exists)
    case "eq", "ne":
      guard let value = reader.value(name) else { return nil }
      guard value.scalarText != nil else {
        reader.add(.typeMismatch, name, "A text, number or boolean is expected here.")
        return nil
      }
      return name == "eq" ? .oneOf([value]) : .noneOf([value])
    default:
      guard let elements = reader.array(name, count: 1...100) else { return nil }
      let values = elements.map(\.value)
      for element in elements where element.value.scalarText == nil {
        reader.faults.add(
          .typeMismatch, at: element.pointer, "A text, number or boolean is expected here.")
      }
      return name == "in" ? .oneOf(values) : .noneOf(values)
    }
  }
}
