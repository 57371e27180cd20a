/** Which process is what, in `processes.json`: for people who want to end one and see what happens. */
import { join } from 'node:path'
import { replaceFile } from './write-file.ts'

export class ProcessList {
  readonly #file: string
  readonly #processes: Record<string, { pid: number; port?: number }> = {}

  constructor(state: string) {
    this.#file = join(state, 'processes.json')
  }

  set(name: string, pid: number, port?: number): void {
    this.#processes[name] = port === undefined ? { pid } : { pid, port }
    replaceFile(this.#file, `${JSON.stringify(this.#processes, null, 2)}\n`)
  }
}
