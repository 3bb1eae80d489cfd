extension String {
  /// Whether it has a character of the Unicode category Cc, which are U+0000…U+001F and
  /// U+007F…U+009F. Looks at bytes: a category is dear to look up and ingestion asks for every event.
  public var hasControlCharacter: Bool {
    var text = self
    return text.withUTF8 { bytes in
      var last: UInt8 = 0
      for byte in bytes {
        if byte < 0x20 || byte == 0x7F || (last == 0xC2 && byte < 0xA0) { return true }
        last = byte
      }
      return false
    }
  }
}
