/**
 * Runs all tests: `node test/run.ts`, with the arguments of `vitest run`. Where no more than a few files fail, they are run
 * once more, alone: tests of real servers on a busy machine can fail by the machine. What only passed the second time is
 * printed at the end, since a test that fails now and then hides a fault, in itself or in what it tests.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** With more failures than that the fault is not the machine's. */
const MAX_RERUN = 3
const REPORT = fileURLToPath(new URL('../node_modules/.cache/tests.json', import.meta.url))
const VITEST = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))

interface Report {
  testResults: { name: string; status: string }[]
}

async function run(args: readonly string[]): Promise<boolean> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`]
  const child = spawn(process.execPath, [VITEST, 'run', ...reporters, ...args], { stdio: 'inherit' })
  const [code] = (await once(child, 'close')) as [number | null]
  return code === 0
}

/** Files with a failed test; undefined where the run did not come to its end. */
async function failedFiles(): Promise<string[] | undefined> {
  try {
    const { testResults } = JSON.parse(await readFile(REPORT, 'utf8')) as Report
    return testResults
      .filter(({ status }) => status === 'failed')
      .map(({ name }) => relative(process.cwd(), name))
  } catch {
    return undefined
  }
}

async function main(args: readonly string[]): Promise<boolean> {
  await rm(REPORT, { force: true })
  if (await run(args)) return true
  const failed = (await failedFiles()) ?? []
  if (failed.length === 0 || failed.length > MAX_RERUN) return false
  process.stdout.write(`\n> failed, and run once more alone: ${failed.join(', ')}\n`)
  const passed = await run(failed)
  if (passed)
    process.stdout.write(`\n> PASSED ONLY THE SECOND TIME, to be looked into: ${failed.join(', ')}\n`)
  return passed
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
