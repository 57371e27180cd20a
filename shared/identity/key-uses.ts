/** Notes which API keys, or sessions, are in use, together and now and then: no call waits for it, and none costs a write. */
import type { Sql } from 'postgres'

/** A key that is used all the time is noted by a process once in this time. */
const INTERVAL_MS = 60_000

export class KeyUses {
  readonly #sql: Sql
  readonly #note: string
  readonly #used = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #writtenAt = -Infinity

  /** @param note the SQL function that notes a list of ids */
  constructor(sql: Sql, note: 'note_key_uses' | 'note_session_uses') {
    this.#sql = sql
    this.#note = note
  }

  note(key: string): void {
    this.#used.add(key)
    const wait = Math.max(0, this.#writtenAt + INTERVAL_MS - performance.now())
    this.#timer ??= setTimeout(() => void this.flush(), wait).unref()
  }

  /** Writes what was not written yet. That a key was in use is no reason to fail. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#used.size === 0) return
    const keys = [...this.#used]
    this.#used.clear()
    this.#writtenAt = performance.now()
    await this.#sql`select ${this.#sql(this.#note)}(${this.#sql.json(keys)})`.catch(() => {})
  }
}
