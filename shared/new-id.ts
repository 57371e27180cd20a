/** Ids: UUIDv7 (RFC 9562), in the order in which this process makes them. */
import { v7 } from 'uuid'

const BYTES = 16

/** Random bytes of the ids to come: asking for them one by one costs eight times as much as making an id. */
const pool = new Uint8Array(BYTES * 128)
let used = pool.length

/** Milliseconds and counter of the last id: within a millisecond, and where the clock goes back, the counter goes on. */
let msecs = -Infinity
let seq = 0

export function newId(): string {
  const random = takeRandom()
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

function takeRandom(): Uint8Array {
  if (used === pool.length) {
    crypto.getRandomValues(pool)
    used = 0
  }
  used += BYTES
  return pool.subarray(used - BYTES, used)
}
