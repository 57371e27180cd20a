/** Makes a child process end when this process does, even when this one is killed. */
import { spawn } from 'node:child_process'

/**
 * Should this process be killed, nothing of ours runs any more to stop the server. A shell that waits for the end
 * of a pipe from us does it then; unlike a parent-death signal this also works where there is no Linux.
 */
export function endWithUs(pid: number, signal: NodeJS.Signals, exited: Promise<unknown>): void {
  const script = 'read -r _; kill -s "$1" "$2"'
  const guard = spawn('/bin/sh', ['-c', script, 'guard', signal.slice('SIG'.length), String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  guard.on('error', () => undefined) // without a shell the server may outlive us: no reason not to start
  guard.unref()
  const pipe: unknown = guard.stdin
  if (isSocketLike(pipe)) pipe.unref()
  void exited.then(() => guard.kill('SIGKILL'))
}

/** A child's stdin pipe is a socket, which its declared type does not say. */
function isSocketLike(pipe: unknown): pipe is { unref(): void } {
  return typeof pipe === 'object' && pipe !== null && 'unref' in pipe && typeof pipe.unref === 'function'
}
