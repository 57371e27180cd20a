/** Says what a cluster lacks, before anything is applied and, with `--deployed`, when everything is. */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { catalog } from '../../functions/catalog.ts'
import { components } from '../../functions/components.ts'
import { kustomize } from '../kustomize.ts'
import { UsageError } from '../usage-error.ts'
import { openCluster, Unreachable } from './cluster.ts'
import type { ManifestObject } from './installations.ts'
import { requirementsFor, type Requirement } from './requirements.ts'

const BASE = fileURLToPath(new URL('../manifests/base', import.meta.url))

const HELP = `Usage: npm run cluster:check -- --manifests FOLDER [--deployed]

Asks the cluster of kubectl's current context, changes nothing, and fails where something is missing.

  --manifests FOLDER    what is to be applied, such as build/manifests/overlays/dev; default is knative/manifests/base
  --deployed            also checks what was applied: database, parts, functions, Broker and Triggers
`

/** Prints one line for each requirement, and what to do where it does not hold; answers how many do not. */
async function report(requirements: readonly Requirement[]): Promise<number> {
  const cluster = openCluster()
  let failed = 0
  for (const { what, remedy, check } of requirements) {
    const problems = await check(cluster)
    process.stdout.write(`${problems.length === 0 ? 'ok     ' : 'missing'}  ${what}\n`)
    if (problems.length === 0) continue
    failed += 1
    for (const problem of problems) process.stdout.write(`           ${problem}\n`)
    process.stdout.write(`         ${remedy}\n`)
  }
  return failed
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      manifests: { type: 'string', default: BASE },
      deployed: { type: 'boolean' },
    },
  })
  if (values.help === true) return void process.stdout.write(HELP)
  const objects = await kustomize<ManifestObject>(values.manifests)
  const { before, deployed } = requirementsFor(catalog, components, objects)
  const failed = await report(values.deployed === true ? [...before, ...deployed] : before)
  process.stdout.write(failed === 0 ? 'Nothing is missing\n' : `${failed} requirements do not hold\n`)
  if (failed > 0) process.exitCode = 1
}

try {
  await main()
} catch (error) {
  const isExpected = [Unreachable, UsageError, TypeError].some((kind) => error instanceof kind)
  if (!(error instanceof Error) || !isExpected) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
