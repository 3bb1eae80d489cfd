import Foundation

/// A list of codes from outside: one a line, with an optional heading `code`.
struct CouponCodeList: Sendable {
  struct Rejection: Sendable, Equatable {
    /// Counted from 1.
    let line: Int
    let code: String
    let detail: String
  }

  static let mostLines = 1_000_000
  /// Beyond this it is not a list of codes.
  static let mostRejections = 1000

  private(set) var codes: [String] = []
  private(set) var rejected: [Rejection] = []

  /// 422 for what is no list of codes as a whole.
  init(csv bytes: [UInt8]) throws {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let text = bytes.starts(with: mark) ? bytes[3...] : bytes[...]
    var isFirst = true
    var number = 0
    var rest = text
    while !rest.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
      number += 1
      guard number <= Self.mostLines else {
        throw HeraldError(
          .invalid, "A list may have \(Self.mostLines) lines; send the codes in several lists.")
      }
      try read(rest[rest.startIndex..<end], number, isFirst: &isFirst)
      rest = end < rest.endIndex ? rest[(end + 1)...] : []
    }
  }

  private mutating func read(
    _ line: ArraySlice<UInt8>, _ number: Int, isFirst: inout Bool
  ) throws {
    var code = line.filter { ![0x20, 0x09, 0x0D].contains($0) }
    let quote = UInt8(ascii: "\"")
    if code.count >= 2, code.first == quote, code.last == quote {
      code.removeFirst()
      code.removeLast()
    }
    if code.isEmpty { return }
    for index in code.indices where UInt8(ascii: "a")...UInt8(ascii: "z") ~= code[index] {
      code[index] -= 32
    }
    defer { isFirst = false }
    if isFirst, code.elementsEqual("CODE".utf8) { return }
    guard 4...64 ~= code.count, code.allSatisfy(CouponCode.isCodeByte) else {
      guard rejected.count < Self.mostRejections else {
        throw HeraldError(
          .invalid,
          "More than \(Self.mostRejections) lines hold no code, so nothing was added; send one "
            + "code a line, each 4 to 64 letters A-Z, digits and '-'.")
      }
      rejected.append(
        Rejection(
          line: number, code: "invalid_format",
          detail: "A code has 4 to 64 letters A-Z, digits and '-', and a line for itself."))
      return
    }
    codes.append(String(decoding: code, as: UTF8.self))
  }
}

/// What became of a list.
public struct CouponCodeImport: Sendable {
  let added: Int
  /// In the list twice, or among the coupon's codes already.
  let duplicates: Int
  let rejected: [CouponCodeList.Rejection]
}
