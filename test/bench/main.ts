/**
 * `npm run bench`: how fast it is, beside what it is compared with, measured in the same run on the same machine.
 *
 * Prints Markdown. Asserts nothing about time: a busy machine is no reason for a build to fail.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { comparisonTable } from './comparison.ts'
import { drawCurves } from './draw-curves.ts'
import { describeMachine, loadAverage } from './machine.ts'
import { toMarkdown, toTable } from './markdown.ts'
import type { Bench, Findings, Section } from './section.ts'
import { coldStart } from './sections/cold-start.ts'
import { composition } from './sections/composition.ts'
import { entitlement } from './sections/entitlement.ts'
import { filledDatabase } from './sections/filled-database.ts'
import { functionServer } from './sections/function-server.ts'
import { gateway } from './sections/gateway.ts'
import { hotPath } from './sections/hot-path.ts'
import { imageStart } from './sections/image-start.ts'
import { pool } from './sections/pool.ts'
import { jobs } from './sections/jobs.ts'
import { persona } from './sections/persona.ts'
import { query } from './sections/query.ts'
import { queue } from './sections/queue.ts'
import { recall } from './sections/recall.ts'
import { rls } from './sections/rls.ts'
import { subscription } from './sections/subscription.ts'
import { usage } from './sections/usage.ts'
import { wakeUp } from './sections/wake-up.ts'

const SECTIONS: readonly Section[] = [
  hotPath,
  entitlement,
  filledDatabase,
  functionServer,
  coldStart,
  imageStart,
  gateway,
  queue,
  pool,
  jobs,
  persona,
  recall,
  subscription,
  wakeUp,
  query,
  composition,
  rls,
  usage,
]
const FOLDER = fileURLToPath(new URL('../../.kgents/bench/', import.meta.url))

const HELP = `Usage: npm run bench -- [options]

Measures kgents beside its references and prints tables; asserts nothing.

  --only NAMES   comma list of ${SECTIONS.map(({ name }) => name).join(', ')}
  --before DIR   measures the checkout of this repository in DIR as well, in turn with this one
  --quick        fewer and shorter rounds: to see that it works, not to quote
  --json FILE    writes all findings to FILE as well
`

const OPTIONS = {
  only: { type: 'string' },
  before: { type: 'string' },
  quick: { type: 'boolean', default: false },
  json: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help) return print(HELP)
  const sections = pick(values.only)
  const bench: Bench = {
    quick: values.quick,
    before: values.before === undefined ? undefined : resolve(values.before),
    say: (line: string) => process.stderr.write(`  ${line}\n`),
  }
  print(`# Benchmark\n\n${describeMachine()}${values.quick ? ' Quick run: do not quote.' : ''}\n`)
  const findings: Record<string, Findings> = {}
  for (const section of sections) {
    process.stderr.write(`${section.title}\n`)
    const before = loadAverage()
    const found = await section.run(bench)
    findings[section.name] = found
    print(toMarkdown(section, found, `Load average ${before} before, ${loadAverage()} after.`))
  }
  const comparisons = Object.values(findings).flatMap((found) => found.comparisons ?? [])
  if (comparisons.length > 0) print(`## All in all\n\n${toTable(comparisonTable(comparisons))}\n`)
  keep(findings, values.json)
}

/** Writes findings, and curves where there are any. */
function keep(findings: Record<string, Findings>, file = join(FOLDER, 'findings.json')): void {
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(file, `${JSON.stringify({ machine: describeMachine(), findings }, null, 2)}\n`)
  for (const [name, { curves = [] }] of Object.entries(findings))
    if (curves.length > 0) writeFileSync(join(FOLDER, `${name}.svg`), drawCurves(curves))
}

/** @throws TypeError where a name is none of ours */
function pick(only: string | undefined): readonly Section[] {
  if (only === undefined) return SECTIONS
  return only.split(',').map((name) => {
    const found = SECTIONS.find((section) => section.name === name.trim())
    if (found === undefined) throw new TypeError(`There is no section "${name}"; see --help`)
    return found
  })
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

await main()
