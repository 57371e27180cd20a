/** Ids: UUIDv7 (RFC 9562), in the order in which this process makes them. */
import { v7 } from 'uuid'
import { takeRandom } from './random.ts'

const BYTES = 16

/** Milliseconds and counter of the last id: within a millisecond, and where the clock goes back, the counter goes on. */
let msecs = -Infinity
let seq = 0

/** Milliseconds since an id was made; undefined for one of another version, which does not say so. */
export function ageOf(id: string): number | undefined {
  if (id[14] !== '7') return undefined
  return Math.max(0, Date.now() - Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16))
}

export function newId(): string {
  const random = takeRandom(BYTES)
  const now = Date.now()
  if (now > msecs) {
    msecs = now
    // Half of what it can count to, so that it does not come to its end.
    seq = new DataView(random.buffer, random.byteOffset).getUint32(0) >>> 1
  } else {
    seq = (seq + 1) >>> 0
    if (seq === 0) msecs += 1
  }
  return v7({ random, msecs, seq })
}
