/** Random bytes from a pool: to ask the system for a few at a time costs eight times what one makes of them. */
const POOL_BYTES = 4096

let pool = Buffer.alloc(0)
let used = 0

/** Bytes that nobody has had before and nobody can guess. The caller may keep them: they are never given out again. */
export function takeRandom(bytes: number): Buffer {
  if (used + bytes > pool.length) {
    pool = Buffer.from(crypto.getRandomValues(new Uint8Array(POOL_BYTES)).buffer)
    used = 0
  }
  used += bytes
  return pool.subarray(used - bytes, used)
}
