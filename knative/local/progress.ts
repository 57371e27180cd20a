/** Progress while the platform starts: one line when a step begins to take long, one when it is done. */

export interface Progress {
  /** Runs one step and prints how long it took. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Prints something worth knowing, such as how far a download is. */
  note(text: string): void
}

export function createProgress(print: (line: string) => void): Progress {
  return {
    async step(name, work) {
      const start = performance.now()
      const waiting = setTimeout(() => print(`  ${name} ...`), 2000)
      try {
        return await work()
      } finally {
        clearTimeout(waiting)
        print(`  ${name.padEnd(16)} ${((performance.now() - start) / 1000).toFixed(1)} s`)
      }
    },
    note: (text) => print(`  ${text}`),
  }
}
