import CLibPQ

/// The result of one statement, in memory. Cells are decoded when asked for.
public struct Rows: RandomAccessCollection, Sendable {
  let result: ResultBox
  /// Rows inserted, updated, deleted or selected.
  public let affected: Int

  init(_ result: ResultBox) {
    self.result = result
    affected = PQcmdTuples(result.pointer).flatMap { Int(String(cString: $0)) } ?? 0
  }

  public var columns: [String] { result.columns }
  public var startIndex: Int { 0 }
  public var endIndex: Int { Int(PQntuples(result.pointer)) }

  public subscript(position: Int) -> Row {
    precondition(position >= 0 && position < endIndex, "row \(position) of \(endIndex)")
    return Row(result: result, number: Int32(truncatingIfNeeded: position))
  }
}

/// One row; keeps its whole result alive.
public struct Row: Sendable {
  let result: ResultBox
  let number: Int32

  public var columns: [String] { result.columns }

  public func get<T: SQLDecodable>(
    _ column: String, as type: T.Type = T.self
  ) throws(PostgresError) -> T {
    guard let index = result.index(of: column) else {
      throw PostgresError(kind: .decoding, message: "the result has no column \"\(column)\"")
    }
    return try get(index, as: type)
  }

  public func get<T: SQLDecodable>(
    _ index: Int, as type: T.Type = T.self
  ) throws(PostgresError) -> T {
    guard index >= 0, index < Int(PQnfields(result.pointer)) else {
      throw PostgresError(kind: .decoding, message: "the result has no column \(index)")
    }
    do throws(PostgresError) {
      return try T.decode(result.value(row: number, column: Int32(truncatingIfNeeded: index)))
    } catch {
      var located = error
      located.message = "column \"\(result.columns[index])\": \(error.message)"
      throw located
    }
  }
}

/// Owns a PGresult and clears it at the end.
///
/// `@unchecked Sendable`: the PGresult is never changed after construction, and libpq's accessors only
/// read it.
final class ResultBox: @unchecked Sendable {
  let pointer: OpaquePointer

  init(_ pointer: OpaquePointer) { self.pointer = pointer }
  deinit { PQclear(pointer) }

  var columns: [String] {
    (0..<PQnfields(pointer)).map { PQfname(pointer, $0).map { String(cString: $0) } ?? "" }
  }

  /// The first column of that name, compared byte by byte (PQfnumber would fold the case).
  func index(of column: String) -> Int? {
    var column = column
    return column.withUTF8 { wanted in
      for index in 0..<PQnfields(pointer) {
        guard let name = PQfname(pointer, index) else { continue }
        var length = 0
        while length < wanted.count, UInt8(bitPattern: name[length]) == wanted[length] {
          length += 1
        }
        if length == wanted.count, name[length] == 0 { return Int(index) }
      }
      return nil
    }
  }

  func value(row: Int32, column: Int32) -> SQLValue {
    let type = SQLType(oid: PQftype(pointer, column))
    guard PQgetisnull(pointer, row, column) == 0, let start = PQgetvalue(pointer, row, column)
    else { return SQLValue(type: type, bytes: nil) }
    let length = Int(PQgetlength(pointer, row, column))
    return SQLValue(type: type, bytes: UnsafeRawBufferPointer(start: start, count: length))
  }
}
