/// A PostgreSQL type by its object identifier; the built-in ones have had theirs for decades.
public struct SQLType: Hashable, Sendable {
  public var oid: UInt32

  public init(oid: UInt32) { self.oid = oid }

  /// Leaves the choice to PostgreSQL, as for a quoted literal.
  public static let unspecified = SQLType(oid: 0)
  public static let bool = SQLType(oid: 16)
  public static let bytea = SQLType(oid: 17)
  public static let char = SQLType(oid: 18)
  public static let name = SQLType(oid: 19)
  public static let int8 = SQLType(oid: 20)
  public static let int2 = SQLType(oid: 21)
  public static let int4 = SQLType(oid: 23)
  public static let text = SQLType(oid: 25)
  public static let objectID = SQLType(oid: 26)
  public static let json = SQLType(oid: 114)
  public static let float4 = SQLType(oid: 700)
  public static let float8 = SQLType(oid: 701)
  public static let unknown = SQLType(oid: 705)
  public static let bpchar = SQLType(oid: 1042)
  public static let varchar = SQLType(oid: 1043)
  public static let date = SQLType(oid: 1082)
  public static let timestamptz = SQLType(oid: 1184)
  public static let uuid = SQLType(oid: 2950)
  public static let jsonb = SQLType(oid: 3802)

  /// The array over this type, for the types that can be bound.
  var array: SQLType? {
    switch self {
    case .bool: SQLType(oid: 1000)
    case .bytea: SQLType(oid: 1001)
    case .int2: SQLType(oid: 1005)
    case .int4: SQLType(oid: 1007)
    case .text: SQLType(oid: 1009)
    case .int8: SQLType(oid: 1016)
    case .float4: SQLType(oid: 1021)
    case .float8: SQLType(oid: 1022)
    case .date: SQLType(oid: 1182)
    case .timestamptz: SQLType(oid: 1185)
    case .json: SQLType(oid: 199)
    case .uuid: SQLType(oid: 2951)
    case .jsonb: SQLType(oid: 3807)
    default: nil
    }
  }
}

extension SQLType: CustomStringConvertible {
  public var description: String {
    switch self {
    case .bool: "bool"
    case .bytea: "bytea"
    case .char: "\"char\""
    case .name: "name"
    case .int8: "int8"
    case .int2: "int2"
    case .int4: "int4"
    case .text: "text"
    case .json: "json"
    case .float4: "float4"
    case .float8: "float8"
    case .bpchar: "bpchar"
    case .varchar: "varchar"
    case .date: "date"
    case .timestamptz: "timestamptz"
    case .uuid: "uuid"
    case .jsonb: "jsonb"
    case SQLType(oid: 1114): "timestamp without time zone"
    case SQLType(oid: 1186): "interval"
    case SQLType(oid: 1700): "numeric (cast it to int8 or float8)"
    default: "type \(oid)"
    }
  }
}
