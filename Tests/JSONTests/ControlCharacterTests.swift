import JSON
import Testing

@Suite("Control characters") struct ControlCharacterTests {
  @Test("are those of the category Cc, whatever stands around them")
  func category() {
    for value in UInt32(0)..<0x3000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let isControl = scalar.properties.generalCategory == .control
      #expect("ab\(scalar)\u{e9}".hasControlCharacter == isControl, "U+\(value)")
    }
    #expect(!"".hasControlCharacter)
    #expect(!"\u{1F600}\u{4E2D}".hasControlCharacter)
  }
}
