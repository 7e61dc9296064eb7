import Testing

import EdgeDataPath

@Suite struct HeaderBlockTests {
  @Test func namesInAnyCaseAreKeptInLowerCaseAndNothingElseOfThemChanges() {
    // Every byte at every place of what is taken eight bytes at a time, and behind that.
    for length in 1...20 {
      for byte in UInt8.min...UInt8.max {
        for place in 0..<length {
          var name = [UInt8](repeating: UInt8(ascii: "Z"), count: length)
          name[place] = byte
          let block = HeaderBlock()
          name.withUnsafeBytes { block.append(anyCase: $0, $0) }
          var expected = [UInt8](repeating: UInt8(ascii: "z"), count: length)
          expected[place] = byte >= 0x41 && byte <= 0x5A ? byte + 0x20 : byte
          #expect(block.nameBytes(0).elementsEqual(expected), "byte \(byte) at \(place) of \(length)")
          #expect(block.valueBytes(0).elementsEqual(name))
        }
      }
    }
  }

  @Test func namesInAnyCaseAreRecognised() {
    let block = HeaderBlock()
    block.append(anyCase: UnsafeRawBufferPointer("Content-Length"), UnsafeRawBufferPointer("12"))
    block.append(anyCase: UnsafeRawBufferPointer("X-STRAIT-Region"), UnsafeRawBufferPointer("eu"))
    #expect(block.value(.contentLength)?.decimal == 12)
    #expect(block.index(of: .xStrait) == 1)
  }
}
