import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeVector, encodeVector } from '../../../shared/inference/vectors.ts'

test('decodeVector() reads what encodeVector() wrote, to the last bit', () => {
  const vectors = fc.float32Array({ minLength: 1, noNaN: true, noDefaultInfinity: true })
  fc.assert(
    fc.property(vectors, (vector) => {
      expect(decodeVector(encodeVector(vector))).toEqual(vector)
    }),
  )
})

test('encodeVector() writes 32-bit floats with the low byte first, whatever part of a buffer they lie in', () => {
  const all = Float32Array.of(9, 1, -2)
  expect(encodeVector(all.subarray(1))).toBe(Buffer.from('0000803f000000c0', 'hex').toString('base64'))
})

test.for([
  ['nothing', ''],
  ['no whole number of floats', Buffer.alloc(6).toString('base64')],
  ['NaN', Buffer.from('0000c07f', 'hex').toString('base64')],
  ['what is not base64', '!!!'],
] as const)('decodeVector() refuses %s', ([, text]) => {
  expect(() => decodeVector(text)).toThrow(TypeError)
})
