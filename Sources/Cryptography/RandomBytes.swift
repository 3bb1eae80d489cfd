import CLibCrypto

/// `count` bytes fit for keys, from libcrypto's generator or, should it ever fail, from the kernel.
/// None for a negative count.
public func randomBytes(_ count: Int) -> [UInt8] {
  guard count > 0 else { return [] }
  var bytes = [UInt8](repeating: 0, count: count)
  if let length = Int32(exactly: count), RAND_bytes(&bytes, length) == 1 { return bytes }
  var system = SystemRandomNumberGenerator()
  for index in bytes.indices { bytes[index] = system.next() }
  return bytes
}
