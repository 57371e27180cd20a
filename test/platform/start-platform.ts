/** Starts the whole platform as `npm start` does, on free ports and in a folder of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../../knative/local/servers/ports.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const MAIN = 'knative/local/main.ts'
const START_MS = 150_000

export interface StartedPlatform {
  url: string
  /** Its state folder, with `dev.json`, `processes.json` and the logs. */
  state: string
  /** What it has printed so far. */
  output(): string
  /** Stops it as Ctrl-C does, and removes its folder unless told to keep it. */
  stop(options?: { keep: boolean }): Promise<void>
}

/**
 * @param env what differs from the defaults; `KGENTS_STATE` continues an older state, and without `PORT` a free one is taken
 * @param root the checkout whose platform is started
 */
export async function startPlatform(env: Record<string, string> = {}, root = ROOT): Promise<StartedPlatform> {
  const state = env['KGENTS_STATE'] ?? mkdtempSync(join(tmpdir(), 'kgents-test-'))
  const port = env['PORT'] ?? String(await findFreePort())
  const child = spawn(process.execPath, [join(root, MAIN)], {
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      KNATIVE_TIME_SCALE: '0.1',
      ...env,
      KGENTS_STATE: state,
      PORT: port,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  const collect = (chunk: Buffer) => (output += chunk.toString())
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  await waitForReady(child, () => output)
  return {
    url: `http://127.0.0.1:${port}`,
    state,
    output: () => output,
    async stop({ keep } = { keep: false }) {
      await end(child)
      if (!keep) rmSync(state, { recursive: true, force: true })
    },
  }
}

function waitForReady(child: ChildProcess, output: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Not ready in time:\n${output()}`)), START_MS)
    child.once('exit', (code) => reject(new Error(`Ended with ${code}:\n${output()}`)))
    child.stdout?.on('data', () => {
      if (!/\bready\b/.test(output())) return
      clearTimeout(timer)
      resolve()
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  await gone
  clearTimeout(timer)
}

/** Reads a JSON file from a platform's state folder. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- reason: names the shape where it is read
export function readState<T>(state: string, name: string): T {
  return JSON.parse(readFileSync(join(state, name), 'utf8')) as T
}
