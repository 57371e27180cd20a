/**
 * Remembers that a dependency is unavailable, so that callers do not wait for it each time: open after five failures in a
 * row, half open half a minute later (one caller at a time may try), closed after three successes.
 */
export interface CircuitSettings {
  failures: number
  pauseMs: number
  successes: number
}

export const CIRCUIT_DEFAULTS: CircuitSettings = { failures: 5, pauseMs: 30_000, successes: 3 }

type OnChange = (open: boolean, reason?: unknown) => void

export class CircuitBreaker {
  readonly #settings: CircuitSettings
  #failures = 0
  #successes = 0
  /** When the circuit opened; undefined while it is closed. */
  #openedAt: number | undefined
  #trying = false
  readonly #onChange: OnChange | undefined

  /** @param onChange hears when the circuit opens, with the last failure, and when it closes */
  constructor(settings: CircuitSettings = CIRCUIT_DEFAULTS, onChange?: OnChange) {
    this.#settings = settings
    this.#onChange = onChange
  }

  /** Whether to try now; whoever gets true reports `succeeded`, `failed` or `abandoned`. */
  mayTry(now: number): boolean {
    if (this.#openedAt === undefined) return true
    if (this.#trying || now - this.#openedAt < this.#settings.pauseMs) return false
    this.#trying = true
    return true
  }

  succeeded(): void {
    this.#trying = false
    this.#failures = 0
    if (this.#openedAt === undefined) return
    this.#successes += 1
    if (this.#successes < this.#settings.successes) return
    this.#openedAt = undefined
    this.#onChange?.(false)
  }

  /** Of a try whose outcome says nothing: the next caller may try. */
  abandoned(): void {
    this.#trying = false
  }

  /** When the next try is due; undefined while the circuit is closed. */
  get nextTryAt(): number | undefined {
    return this.#openedAt === undefined ? undefined : this.#openedAt + this.#settings.pauseMs
  }

  failed(now: number, reason?: unknown): void {
    this.#trying = false
    this.#failures += 1
    this.#successes = 0
    const wasOpen = this.#openedAt !== undefined
    if (!wasOpen && this.#failures < this.#settings.failures) return
    this.#openedAt = now
    if (!wasOpen) this.#onChange?.(true, reason)
  }
}
