/**
 * Writes `knative/manifests/*.yaml`, the users of NATS and the table of variables from the catalog and the list of parts;
 * with `--check` it writes nothing and fails where a committed file differs.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
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
import { natsUsersFile, natsUsersOf } from './nats-users.ts'
import { networkPoliciesOf } from './network/policies.ts'
import { partsOf } from './parts.ts'
import { variablesTable } from './variables.ts'

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

/** Included by the configuration of NATS. */
const NATS_USERS = join(import.meta.dirname, 'nats-users.conf')
/** Where the table of variables stands, between these two lines. */
const README = join(import.meta.dirname, 'README.md')
const [BEGIN, END] = ['<!-- variables: written by `npm run generate` -->', '<!-- end of variables -->']

/** The text of `README.md` with the table of today. */
async function renderReadme(): Promise<string> {
  const text = await readFile(README, 'utf8')
  const [before, rest] = text.split(BEGIN)
  const [, after] = rest?.split(END) ?? []
  if (after === undefined) throw new TypeError(`Cannot render ${README}: it has no place for variables`)
  return `${before}${BEGIN}\n\n${variablesTable(catalog, components)}\n\n${END}${after}`
}

/** All files, by their path. */
async function renderAll(): Promise<[path: string, text: string][]> {
  const manifests = Object.entries(renderManifests(catalog, components))
  return [
    ...manifests.map(([name, text]): [string, string] => [join(FOLDER, name), text]),
    [NATS_USERS, HEADER + natsUsersFile(natsUsersOf(components))],
    [README, await renderReadme()],
  ]
}

/** The committed files that say something else, or are not there. */
async function findStale(files: readonly [path: string, text: string][]): Promise<string[]> {
  const stale: string[] = []
  for (const [path, text] of files) {
    const committed = await readFile(path, 'utf8').catch(() => undefined)
    if (committed !== text) stale.push(relative(import.meta.dirname, path))
  }
  return stale
}

async function main(): Promise<void> {
  const files = await renderAll()
  if (!process.argv.includes('--check')) {
    await mkdir(FOLDER, { recursive: true })
    for (const [path, text] of files) await writeFile(path, text)
    return
  }
  const stale = await findStale(files)
  if (stale.length === 0) return
  process.stderr.write(`Stale in knative: ${stale.join(', ')}. Run: ${COMMAND}\n`)
  process.exitCode = 1
}

if (import.meta.main) await main()
