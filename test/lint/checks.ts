/**
 * Everything that checks the code, at the same time: `node test/lint/checks.ts lint types ... tests` runs these npm scripts and
 * fails when one of them does. Most tests wait for servers, so what reads the code has the time that they leave.
 *
 * `tests` writes as it goes; each of the others prints what it said when it has ended, and once more at the end where it failed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const LIVE = 'tests'

const failed = new Map<string, Buffer>()

async function check(script: string): Promise<void> {
  const started = performance.now()
  const output = script === LIVE ? 'inherit' : 'pipe'
  const child = spawn('npm', ['run', '--silent', script], {
    stdio: ['ignore', output, output],
    shell: process.platform === 'win32',
  })
  const said: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => said.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) failed.set(script, Buffer.concat(said))
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(`> ${script}: ${code === 0 ? 'passed' : 'failed'} after ${seconds} s\n`)
  process.stdout.write(Buffer.concat(said))
}

const scripts = process.argv.slice(2)
await Promise.all(scripts.map(check))
if (failed.size > 0) process.exitCode = 1
if (scripts.includes(LIVE)) {
  for (const [script, said] of failed) {
    process.stdout.write(`> ${script}: failed\n`)
    process.stdout.write(said)
  }
}
