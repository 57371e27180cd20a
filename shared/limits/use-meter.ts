/** Counts what was used lately, roughly: in this window or in the one before it, whichever is more. */
export class UseMeter {
  readonly #windowMs: number
  #end: number
  #current = 0
  #previous = 0

  constructor(windowMs: number, now: number) {
    this.#windowMs = windowMs
    this.#end = now + windowMs
  }

  count(now: number): void {
    this.#roll(now)
    this.#current += 1
  }

  recent(now: number): number {
    this.#roll(now)
    return Math.max(this.#current, this.#previous)
  }

  #roll(now: number): void {
    if (now < this.#end) return
    this.#previous = now < this.#end + this.#windowMs ? this.#current : 0
    this.#current = 0
    this.#end = now + this.#windowMs
  }
}
