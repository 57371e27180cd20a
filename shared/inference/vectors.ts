/** How vectors travel in JSON: base64 of their 32-bit floats, little-endian, a quarter of what decimals would take. */

const BYTES = Float32Array.BYTES_PER_ELEMENT

export function encodeVector(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * BYTES)
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * BYTES)
  return bytes.toString('base64')
}

/** @throws TypeError where `text` holds no whole number of floats, or one that is no number */
export function decodeVector(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.length % BYTES !== 0) {
    throw new TypeError(`Cannot read a vector: ${bytes.length} bytes are no 32-bit floats`)
  }
  const vector = Float32Array.from({ length: bytes.length / BYTES }, (_, index) =>
    bytes.readFloatLE(index * BYTES),
  )
  if (!vector.every(Number.isFinite)) throw new TypeError('Cannot read a vector: it holds what is no number')
  return vector
}
