/**
 * Everything that reads the code without running it, at the same time: `node test/lint/checks.ts lint types ...` runs
 * these npm scripts, prints what each said when it has ended, and fails when one of them does.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const failed: string[] = []

async function check(script: string): Promise<void> {
  const started = performance.now()
  const child = spawn('npm', ['run', '--silent', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  })
  const said: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) failed.push(script)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(`> ${script}: ${code === 0 ? 'passed' : 'failed'} after ${seconds} s\n`)
  process.stdout.write(Buffer.concat(said))
}

await Promise.all(process.argv.slice(2).map(check))
if (failed.length > 0) process.exitCode = 1
