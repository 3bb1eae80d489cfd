import Foundation
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
    "recipient", "receiver", "consignee", "latitude", "longitude", "plate", "vin", "wechatid",
    "姓名", "真实姓名", "名字", "昵称", "用户名", "收货人", "收件人", "联系人", "手机", "手机号", "手机号码", "电话",
    "电话号码", "联系电话", "邮箱", "电子邮箱", "邮件", "地址", "收货地址", "详细地址", "家庭住址", "邮编", "生日",
    "出生日期", "身份证", "身份证号", "护照", "护照号", "微信", "微信号", "微博", "头像", "车牌", "车牌号",
  ]

  static func isPersonal(_ field: String) -> Bool {
    let plain = String(field.lowercased().unicodeScalars.filter { $0.properties.isAlphabetic })
    return personal.contains(plain)
  }

  /// Whether a text shows, somewhere in it, an e-mail address or a telephone number: international, or
  /// as mobile numbers are written in China. Whatever the field it stands in is called.
  static func isAddress(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    // Ids have digits enough to look like anything.
    if bytes.count == 36, UUID(uuidString: text) != nil { return false }
    var digits = 0
    var start = 0
    for (place, byte) in (bytes + [0]).enumerated() {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        if digits == 0 { start = place }
        digits += 1
      case UInt8(ascii: "-"), UInt8(ascii: " "):
        // Between groups of digits.
        if digits > 0, place + 1 < bytes.count, isDigit(bytes[place + 1]) { continue }
        if isNumber(bytes, start, digits) { return true }
        digits = 0
      case UInt8(ascii: "@"):
        if place > 0, isName(bytes[place - 1]),
          bytes[(place + 1)...].prefix(while: isName)
            .dropLast().contains(UInt8(ascii: "."))
        {
          return true
        }
        digits = 0
      default:
        if isNumber(bytes, start, digits) { return true }
        digits = 0
      }
    }
    return false
  }

  private static func isNumber(_ bytes: [UInt8], _ start: Int, _ digits: Int) -> Bool {
    guard digits > 0 else { return false }
    if start > 0, bytes[start - 1] == UInt8(ascii: "+") { return 7...15 ~= digits }
    return digits == 11 && bytes[start] == UInt8(ascii: "1")
      && bytes[start...].dropFirst().first.map { $0 >= UInt8(ascii: "3") } ?? false
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
  }

  private static func isName(_ byte: UInt8) -> Bool {
    byte > 0x20 && !"@()<>[],;:\"".utf8.contains(byte)
  }

  /// The first character and `***`.
  static func masked(_ text: String) -> String { text.prefix(1) + "***" }

  /// `value` of a personal field, or an object that may contain some.
  static func masked(_ value: JSONValue, isPersonal: Bool = false) -> JSONValue {
    switch value {
    case .string(let text): isPersonal || isAddress(text) ? .string(masked(text)) : value
    case .number(let number): isPersonal || isAddress(number.text) ? "***" : value
    case .bool: isPersonal ? "***" : value
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
