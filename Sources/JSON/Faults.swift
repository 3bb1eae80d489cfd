/// Collects everything that is wrong with one document, so that its author hears it at once.
///
/// A class, because readers of nested objects share it; it stays within one task.
public final class Faults {
  /// The first `limit` faults in the order they were found.
  public private(set) var all: [JSONFault] = []
  /// How many more were found than are kept.
  public private(set) var omitted = 0
  public let limit: Int

  public init(limit: Int = 100) { self.limit = limit }

  public var isEmpty: Bool { all.isEmpty }
  public var count: Int { all.count + omitted }

  public func add(_ fault: JSONFault) {
    if all.count < limit { all.append(fault) } else { omitted += 1 }
  }

  public func add(_ code: JSONFault.Code, at pointer: JSONPointer, _ detail: String) {
    add(JSONFault(code, at: pointer, detail))
  }
}
