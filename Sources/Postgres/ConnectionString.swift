import CLibPQ

/// A connection URI or `key=value` string taken apart by libpq's own parser.
public struct ConnectionString: Sendable {
  private var options: [(key: String, value: String)] = []

  public init(_ text: String) throws(PostgresError) {
    var message: UnsafeMutablePointer<CChar>?
    guard let parsed = PQconninfoParse(text, &message) else {
      // libpq's message would quote the string, and with it a password.
      PQfreemem(message)
      throw PostgresError(kind: .encoding, message: "the connection string cannot be read")
    }
    defer { PQconninfoFree(parsed) }
    var option = parsed
    while let key = option.pointee.keyword {
      if let value = option.pointee.val {
        options.append((String(cString: key), String(cString: value)))
      }
      option = option.successor()
    }
  }

  public subscript(key: String) -> String? {
    get { options.first { $0.key == key }?.value }
    set {
      options.removeAll { $0.key == key }
      if let newValue { options.append((key, newValue)) }
    }
  }

  /// In `key='value'` form.
  public var text: String {
    options.map { option in
      var quoted = ""
      for character in option.value.unicodeScalars {
        if character == "'" || character == "\\" { quoted += "\\" }
        quoted.unicodeScalars.append(character)
      }
      return "\(option.key)='\(quoted)'"
    }.joined(separator: " ")
  }
}
