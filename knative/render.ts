/**
 * Writes `knative/manifests/*.yaml` from the catalog and the list of parts; with `--check` it writes nothing and fails where a committed
 * file differs.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { catalog } from '../functions/catalog.ts'
import { components } from '../functions/components.ts'
import type { Component } from '../shared/contract/component.ts'
import {
  brokerChannelOf,
  brokerOf,
  pingSourcesOf,
  servicesOf,
  triggersOf,
  type Deployable,
} from './manifests.ts'
import { networkPoliciesOf } from './network/policies.ts'
import { partsOf } from './parts.ts'

const FOLDER = join(import.meta.dirname, 'manifests')
const COMMAND = 'node knative/render.ts'
const HEADER = `# Written from functions/catalog.ts and functions/components.ts by: ${COMMAND}\n`

/** The text of each file, by its name. */
export function renderManifests(
  definitions: readonly Deployable[],
  parts: readonly Component[],
): Record<string, string> {
  return {
    'services.yaml': toYaml(servicesOf(definitions)),
    'triggers.yaml': toYaml(triggersOf(definitions)),
    'sources.yaml': toYaml(pingSourcesOf(definitions)),
    'broker.yaml': toYaml([brokerChannelOf(), brokerOf()]),
    'parts.yaml': toYaml(partsOf(parts)),
    'network-policies.yaml': toYaml(networkPoliciesOf(definitions, parts)),
  }
}

function toYaml(objects: readonly object[]): string {
  const documents = objects.map((object) => stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 }))
  return HEADER + documents.map((text) => `---\n${text}`).join('')
}

async function write(files: Record<string, string>): Promise<void> {
  await mkdir(FOLDER, { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(FOLDER, name), text)
}

/** Names of the committed files that say something else than `files`, or are not there. */
async function findStale(files: Record<string, string>): Promise<string[]> {
  const stale: string[] = []
  for (const [name, text] of Object.entries(files)) {
    const committed = await readFile(join(FOLDER, name), 'utf8').catch(() => undefined)
    if (committed !== text) stale.push(name)
  }
  return stale
}

async function main(): Promise<void> {
  const files = renderManifests(catalog, components)
  if (!process.argv.includes('--check')) return write(files)
  const stale = await findStale(files)
  if (stale.length === 0) return
  process.stderr.write(`Stale in knative/manifests: ${stale.join(', ')}. Run: ${COMMAND}\n`)
  process.exitCode = 1
}

if (import.meta.main) await main()
