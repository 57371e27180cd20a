/**
 * Starts a command as a container runtime does, as far as a start depends on it: a root of its own that cannot be written,
 * a writable /tmp alone, the user 10001 without privileges, and a CPU limit. Needs Linux and root.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { findFreePort } from '../../../knative/local/servers/ports.ts'
import { sendOnce, type HttpRequest } from '../http-request.ts'
import type { CpuLimit } from './cpu-limit.ts'
import type { Command } from './files.ts'

/** From the moment at which the container's own program is started. */
export interface StartTimes {
  /** Until its port takes connections, which is when Knative sends what has waited. */
  listeningMs: number
  /** Until the answer to a request that was sent then. */
  answeredMs: number
  /** CPU that it has used by then. */
  cpuMs: number
  throttledMs: number
}

export interface Container {
  root: string
  command: Command
  env: Readonly<Record<string, string>>
  request: HttpRequest
  limit: CpuLimit | undefined
}

const USER = '10001:10001'
const POLL_MS = 1
const START_MS = 60_000

/** The last line writes to the third pipe when all is ready, so that none of this is counted. */
const ENTER = `
set -e
root=$1 groups=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
for group in $groups; do echo $$ > "$group"; done
echo >&3
exec 3>&-
exec chroot --userspec=${USER} "$root" "$@"
`

/** Starts the container, sends its request as soon as it listens, and ends it. @throws Error where the answer is none of 200 */
export async function timeStart(container: Container): Promise<StartTimes> {
  const { limit, request, command } = container
  const port = await findFreePort()
  const [cpu, throttled] = [limit?.usedMs() ?? 0, limit?.throttledMs() ?? 0]
  const child = enter(container, port)
  try {
    await once(child.stdio[3] as Readable, 'data')
    const startedAt = performance.now()
    await untilListening(child, port)
    const listeningMs = performance.now() - startedAt
    const { status, body } = await sendOnce(port, request)
    const answeredMs = performance.now() - startedAt
    if (status !== 200) throw new Error(`Cannot measure ${command.args.join(' ')}: ${status} ${body}`)
    return {
      listeningMs,
      answeredMs,
      cpuMs: (limit?.usedMs() ?? Number.NaN) - cpu,
      throttledMs: (limit?.throttledMs() ?? Number.NaN) - throttled,
    }
  } finally {
    await end(child)
  }
}

function enter({ root, command, env, limit }: Container, port: number): ChildProcess {
  const script = ['sh', '-c', ENTER, 'enter', root, (limit?.joins ?? []).join(' ')]
  return spawn('unshare', ['--mount', '--propagation', 'private', '--', ...script, ...command.args], {
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ...command.env,
      ...env,
      PORT: String(port),
    },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
}

async function untilListening(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + START_MS
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`Cannot measure ${child.spawnargs.join(' ')}: it has ended`)
    if (performance.now() > deadline)
      throw new Error(`Cannot measure ${child.spawnargs.join(' ')}: it does not listen`)
    await delay(POLL_MS)
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => finish(true))
    const finish = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('error', () => finish(false))
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
