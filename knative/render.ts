/**
 * Writes `knative/manifests/base/`, the accounts of NATS and the table of variables from the catalog and the list of parts, or
 * the manifests of one deployment, with its images.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { catalog } from '../functions/catalog.ts'
import { components } from '../functions/components.ts'
import type { Component } from '../shared/contract/component.ts'
import {
  brokerChannelOf,
  brokerOf,
  namespaceOf,
  servicesOf,
  triggersOf,
  type Deployable,
} from './manifests.ts'
import type { Kustomization } from './objects.ts'
import { natsAccountsFile, natsAccountsOf } from './nats-accounts.ts'
import { networkPoliciesOf } from './network/policies.ts'
import { partsOf } from './parts.ts'
import { setupJobOf, setupPolicyOf } from './setup/manifest.ts'
import { BY_DIGEST, DEFAULT_TARGET, type Target } from './target.ts'
import { variablesTable } from './variables.ts'

/** What the contracts say is rendered into `base`; what stands around it, and each environment, is written by hand. */
const MANIFESTS = join(import.meta.dirname, 'manifests')
const BASE = join(MANIFESTS, 'base')
const BY_HAND = ['components', 'overlays']
const COMMAND = 'node knative/render.ts'
const HEADER = `# Written from functions/catalog.ts and functions/components.ts by: ${COMMAND}\n`

/** The text of each file, by its path below `base`. */
export function renderManifests(
  definitions: readonly Deployable[],
  parts: readonly Component[],
  target = DEFAULT_TARGET,
): Record<string, string> {
  const services = servicesOf(definitions, target).map((service) => [
    `services/${service.metadata.name}.yaml`,
    toDocument(service),
  ])
  const files: Record<string, string> = {
    'namespace.yaml': toYaml([namespaceOf(target)]),
    'broker.yaml': toYaml([brokerChannelOf(target), brokerOf(definitions, target)]),
    ...Object.fromEntries(services),
    'triggers.yaml': toYaml(triggersOf(definitions, target)),
    'parts.yaml': toYaml(partsOf(parts, target)),
    'network-policies.yaml': toYaml([
      ...networkPoliciesOf(definitions, parts, target),
      setupPolicyOf(target),
    ]),
  }
  return {
    ...files,
    'setup.yaml': toYaml([setupJobOf(target)]),
    'kustomization.yaml': toYaml([kustomizationOf(Object.keys(files))]),
  }
}

function kustomizationOf(resources: string[]): Kustomization {
  return { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources }
}

function toYaml(objects: readonly object[]): string {
  return HEADER + objects.map((object) => `---\n${toDocument(object)}`).join('')
}

/** One object and nothing before it: `kn service apply --filename` reads the first document alone. */
function toDocument(object: object): string {
  return stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 })
}

/** Included by the configuration of NATS; kustomize reads no file above a component, so each has its own. */
const NATS_ACCOUNTS = ['nats', 'nats-mirror'].map((name) =>
  join(MANIFESTS, 'components', name, 'accounts.conf'),
)
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

/** The committed files, by their path. */
async function renderCommitted(): Promise<Map<string, string>> {
  return new Map([
    ...manifestsIn(BASE, DEFAULT_TARGET),
    ...NATS_ACCOUNTS.map((path): [string, string] => [
      path,
      HEADER + natsAccountsFile(natsAccountsOf(components)),
    ]),
    [README, await renderReadme()],
  ])
}

function manifestsIn(folder: string, target: Target): [path: string, text: string][] {
  return Object.entries(renderManifests(catalog, components, target)).map(([name, text]) => [
    join(folder, name),
    text,
  ])
}

/** Committed files that say something else or are missing, and manifests that nothing is rendered into. */
async function findStale(files: ReadonlyMap<string, string>): Promise<string[]> {
  const stale = (await readdir(BASE, { recursive: true }))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => join(BASE, name))
    .filter((path) => !files.has(path))
  for (const [path, text] of files) {
    const committed = await readFile(path, 'utf8').catch(() => undefined)
    if (committed !== text) stale.push(path)
  }
  return stale.map((path) => relative(import.meta.dirname, path))
}

/**
 * Writes `files`, after what was rendered into `folder` before is gone: a function that is no more must not be deployed.
 *
 * @throws TypeError where `folder` has files of somebody else
 */
async function writeAll(files: ReadonlyMap<string, string>, folder: string): Promise<void> {
  const present: string[] = await readdir(folder).catch(() => [])
  if (present.length > 0 && !present.includes('kustomization.yaml'))
    throw new TypeError(`Cannot render manifests into "${folder}": it has other files`)
  await rm(folder, { recursive: true, force: true })
  for (const [path, text] of files) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}

/** Writes everything that is applied to a cluster, with the images of `target`. */
async function writeDeployment(folder: string, target: Target): Promise<void> {
  const base = join(folder, 'base')
  await writeAll(new Map(manifestsIn(base, target)), base)
  for (const name of BY_HAND) {
    await rm(join(folder, name), { recursive: true, force: true })
    await cp(join(MANIFESTS, name), join(folder, name), { recursive: true })
    await fillImages(join(folder, name), target)
  }
}

/** What is written by hand names the images as the committed manifests do. */
async function fillImages(folder: string, { images }: Target): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.yaml')) continue
    const path = join(folder, name)
    const text = await readFile(path, 'utf8')
    const filled = (Object.keys(images) as (keyof Target['images'])[]).reduce(
      (each, image) => each.replaceAll(DEFAULT_TARGET.images[image], images[image]),
      text,
    )
    if (filled !== text) await writeFile(path, filled)
  }
}

const HELP = `Usage: ${COMMAND} [options]

Without options it writes the committed manifests, the accounts of NATS and the table of variables.

  --check                    writes nothing, and fails where a committed file differs
  --out FOLDER               writes the manifests of one deployment there; it needs the three images
  --functions-image IMAGE    each by its digest: registry.example.com/kgents/functions@sha256:...
                             or one that is on the nodes: kind.local/functions:1
  --parts-image IMAGE
  --worker-image IMAGE
  --starts-at-zero           new revisions begin without a pod; the cluster must have allow-zero-initial-scale
`

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  check: { type: 'boolean' },
  out: { type: 'string' },
  'functions-image': { type: 'string' },
  'parts-image': { type: 'string' },
  'worker-image': { type: 'string' },
  'starts-at-zero': { type: 'boolean' },
} as const

type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

/** Registries that Knative never asks: their images were put on the nodes by hand, such as with `kind load`. */
const ON_NODES = /^(kind|ko|dev)\.local\/[^\s@:]+:[^\s@:]+$/

/**
 * The deployment that the options describe.
 *
 * @throws TypeError where an image is missing or has no digest
 */
export function readTarget(options: Options): Target {
  const imageOf = (name: 'functions' | 'parts' | 'worker'): string => {
    const image = options[`${name}-image`]
    if (image !== undefined && (BY_DIGEST.test(image) || ON_NODES.test(image))) return image
    const given = image === undefined ? 'it is missing' : `"${image}" has no digest (name@sha256:...)`
    throw new TypeError(`Cannot render manifests: --${name}-image: ${given}`)
  }
  return {
    ...DEFAULT_TARGET,
    images: { functions: imageOf('functions'), parts: imageOf('parts'), worker: imageOf('worker') },
    ...(options['starts-at-zero'] === true ? { startsAtZero: true } : {}),
  }
}

async function main(options: Options): Promise<void> {
  if (options.help === true) return void process.stdout.write(HELP)
  if (options.out !== undefined) return writeDeployment(options.out, readTarget(options))
  const files = await renderCommitted()
  if (options.check !== true) return writeAll(files, BASE)
  const stale = await findStale(files)
  if (stale.length === 0) return
  process.stderr.write(`Stale in knative: ${stale.join(', ')}. Run: ${COMMAND}\n`)
  process.exitCode = 1
}

if (import.meta.main) {
  try {
    await main(parseArgs({ options: OPTIONS }).values)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
