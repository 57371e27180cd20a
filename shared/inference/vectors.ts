/** Vectors on the wire: base64 of little-endian 32-bit floats. */

export function encodeVector(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
}

export function decodeVector(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64')
  // Copied, because a Buffer may begin where no float can.
  return new Float32Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 4))
}
