import Foundation

/// A Swift type that can be a statement's parameter.
///
/// A raw-representable type over a bindable one (string enums, typed ids) conforms by declaring it.
public protocol SQLBindable {
  /// The type a `nil` or an empty array of this type is sent as.
  static var sqlType: SQLType { get }
  var sqlParameter: SQLParameter { get }
}

extension SQLBindable {
  public static var sqlType: SQLType { .unspecified }
}

extension SQLBindable where Self: RawRepresentable, RawValue: SQLBindable {
  public static var sqlType: SQLType { RawValue.sqlType }
  public var sqlParameter: SQLParameter { rawValue.sqlParameter }
}

extension Bool: SQLBindable {
  public static var sqlType: SQLType { .bool }
  public var sqlParameter: SQLParameter { .word(UInt8(self ? 1 : 0), type: .bool) }
}

extension Int: SQLBindable {
  public static var sqlType: SQLType { .int8 }
  public var sqlParameter: SQLParameter { .word(Int64(self), type: .int8) }
}

extension Int64: SQLBindable {
  public static var sqlType: SQLType { .int8 }
  public var sqlParameter: SQLParameter { .word(self, type: .int8) }
}

extension Int32: SQLBindable {
  public static var sqlType: SQLType { .int4 }
  public var sqlParameter: SQLParameter { .word(self, type: .int4) }
}

extension Int16: SQLBindable {
  public static var sqlType: SQLType { .int2 }
  public var sqlParameter: SQLParameter { .word(self, type: .int2) }
}

extension Double: SQLBindable {
  public static var sqlType: SQLType { .float8 }
  public var sqlParameter: SQLParameter { .word(bitPattern, type: .float8) }
}

extension String: SQLBindable {
  public static var sqlType: SQLType { .text }
  public var sqlParameter: SQLParameter { SQLParameter(type: .text, payload: .text(self)) }
}

extension UUID: SQLBindable {
  public static var sqlType: SQLType { .uuid }
  public var sqlParameter: SQLParameter { SQLParameter(type: .uuid, payload: .uuid(self)) }
}

extension Optional: SQLBindable where Wrapped: SQLBindable {
  public static var sqlType: SQLType { Wrapped.sqlType }
  public var sqlParameter: SQLParameter {
    self?.sqlParameter ?? SQLParameter(type: Wrapped.sqlType, payload: .null)
  }
}
