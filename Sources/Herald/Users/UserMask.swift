import JSON

/// Hides personal values from those who may only see that there are some.
enum UserMask {
  /// Fields that name a person or where to find one, whatever the case and separators.
  static let personal: Set<String> = [
    "name", "firstname", "lastname", "middlename", "fullname", "familyname", "givenname",
    "realname", "nickname", "username", "displayname", "phone", "phonenumber", "mobile", "tel",
    "telephone", "email", "mail", "address", "street", "addressline", "postcode", "zip", "zipcode",
    "birthday", "birthdate", "dateofbirth", "dob", "idcard", "idnumber", "passport", "ssn",
    "avatar", "ip", "ipaddress", "useragent", "wechat", "openid", "unionid", "qq", "weibo",
    "recipient", "receiver", "consignee", "latitude", "longitude", "plate", "vin",
  ]

  static func isPersonal(_ field: String) -> Bool {
    let plain = String(field.lowercased().unicodeScalars.filter { $0.properties.isAlphabetic })
    return personal.contains(plain)
  }

  /// The first character and `***`.
  static func masked(_ text: String) -> String { text.prefix(1) + "***" }

  /// `value` of a personal field, or an object that may contain some.
  static func masked(_ value: JSONValue, isPersonal: Bool = false) -> JSONValue {
    switch value {
    case .string(let text): isPersonal ? .string(masked(text)) : value
    case .number, .bool: isPersonal ? "***" : value
    case .null: value
    case .array(let elements): .array(elements.map { masked($0, isPersonal: isPersonal) })
    case .object(let object):
      .object(
        JSONObject(
          object.members.map { key, value in
            (key, masked(value, isPersonal: isPersonal || Self.isPersonal(key)))
          }))
    }
  }
}
