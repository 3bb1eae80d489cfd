/// `If-Match` of a write.
enum Precondition {
  /// 412 when a version was expected and the resource has another or does not exist.
  static func check(_ expected: Int?, actual: Int?) throws {
    guard let expected, expected != actual else { return }
    let state = actual.map { "is at version \($0)" } ?? "does not exist"
    throw HeraldError(
      .preconditionFailed,
      "If-Match names version \(expected), but the resource \(state); read it again first.")
  }
}
