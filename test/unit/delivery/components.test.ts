/** Who may deploy, and which images may run: held against everything that the overlays put into the namespace. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseAllDocuments, stringify } from 'yaml'
import { select, sortManifests } from '../../../knative/deploy/manifests.ts'
import type { ClusterObject } from '../../../knative/deploy/objects.ts'
import { buildOverlay, ENVIRONMENTS } from '../knative/built-overlays.ts'

const MANIFESTS = join(import.meta.dirname, '../../../knative/manifests')
const NAMESPACE = 'kgents'
/** What Knative puts beside a function. */
const QUEUE_PROXY = 'gcr.io/knative-releases/knative.dev/serving/cmd/queue@sha256:abc'

const folder = mkdtempSync(join(tmpdir(), 'kgents-overlay-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Overlay {
  name: string
  objects: ClusterObject[]
}

/** The base with these components alone, and every overlay; nothing where there is no kubectl. */
async function overlays(): Promise<Overlay[]> {
  const pathTo = (...names: string[]) => relative(folder, join(MANIFESTS, ...names))
  const kustomization = {
    resources: [pathTo('base')],
    components: ['signed-images', 'deployer'].map((name) => pathTo('components', name)),
  }
  writeFileSync(join(folder, 'kustomization.yaml'), stringify(kustomization))
  const { status, stdout, stderr, error } = spawnSync('kubectl', ['kustomize', folder], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (error !== undefined) {
    process.stderr.write('skipped: components of a deploy: there is no kubectl here\n')
    return []
  }
  expect([status, stderr]).toEqual([0, ''])
  const base = parseAllDocuments(stdout).map((document) => document.toJS() as ClusterObject)
  const real = ENVIRONMENTS.map(async (name) => ({ name, objects: (await buildOverlay(name)) ?? [] }))
  return [{ name: 'base', objects: base }, ...((await Promise.all(real)) as Overlay[])]
}

const all = await overlays()
const having = (kind: string, name: string) =>
  all.filter(({ objects }) =>
    objects.some((object) => object.kind === kind && object.metadata.name.startsWith(name)),
  )

interface Rule {
  apiGroups: string[]
  resources: string[]
  verbs: string[]
}

describe('the component deployer', () => {
  test.for(having('Role', 'deployer'))(
    'may do what a deploy of $name does, and reads no Secret',
    ({ objects }) => {
      const role = objects.find(({ kind, metadata }) => kind === 'Role' && metadata.name === 'deployer')
      const { rules } = role as unknown as { rules: Rule[] }
      const may = (verb: string, { apiVersion, kind }: ClusterObject) => {
        const [group = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['']
        const plural = `${kind.toLowerCase()}s`.replace(/ys$/, 'ies').replace(/sss$/, 'sses')
        return rules.some(
          ({ apiGroups, resources, verbs }) =>
            apiGroups.includes(group) && resources.includes(plural) && verbs.includes(verb),
        )
      }
      const { before, services, jobs, after, parts } = sortManifests(
        select(objects, { namespace: NAMESPACE }),
      )
      const needs = [
        ...[...before, ...after, ...parts].flatMap((object) =>
          ['get', 'create', 'patch'].map((verb) => ({ verb, object })),
        ),
        ...services.flatMap((object) => ['get', 'create', 'update'].map((verb) => ({ verb, object }))),
        ...jobs.flatMap((object) => ['get', 'create', 'delete'].map((verb) => ({ verb, object }))),
      ]
      expect(needs.length).toBeGreaterThan(100)
      const missing = needs.filter(({ verb, object }) => !may(verb, object))
      expect(missing.map(({ verb, object }) => `${verb} ${object.apiVersion} ${object.kind}`)).toEqual([])
      expect(
        rules.filter(({ resources }) => resources.includes('secrets') || resources.includes('*')),
      ).toEqual([])
    },
  )
})

describe('the component signed-images', () => {
  /** As policy-controller reads a glob. */
  const matches = (glob: string, image: string) => {
    const pattern = glob
      .replaceAll('.', String.raw`\.`)
      .replaceAll('**', '#')
      .replaceAll('*', '[^/]*')
      .replaceAll('#', '.*')
    return new RegExp(`^${pattern}$`).test(image)
  }
  /** A name without a registry is one of Docker Hub. */
  const fullName = (image: string) => {
    const [first = '', ...rest] = image.split('/')
    if (rest.length === 0) return `index.docker.io/library/${image}`
    return /[.:]/.test(first) || first === 'localhost' ? image : `index.docker.io/${image}`
  }
  const imagesIn = (value: unknown): string[] => {
    if (typeof value !== 'object' || value === null) return []
    return Object.entries(value).flatMap(([name, member]) =>
      name === 'image' && typeof member === 'string' ? [member] : imagesIn(member),
    )
  }

  test.for(having('ClusterImagePolicy', 'kgents'))(
    'has one rule for each image of $name, and none for others',
    ({ objects }) => {
      const inside = objects.filter(({ metadata }) => metadata.namespace === NAMESPACE)
      const images = [...new Set([...inside.flatMap(imagesIn), QUEUE_PROXY].map(fullName))]
      const policies = objects.filter(({ kind }) => kind === 'ClusterImagePolicy')
      const policiesOf = (image: string) =>
        policies
          .filter(({ spec }) =>
            (spec as { images: { glob: string }[] }).images.some(({ glob }) => matches(glob, image)),
          )
          .map(({ metadata }) => metadata.name)
      expect(images.length).toBeGreaterThan(3)
      expect(images.filter((image) => policiesOf(image).length !== 1)).toEqual([])
      expect(policiesOf('registry.example.com/team/functions@sha256:abc')).toEqual(['kgents-images'])
      expect(policiesOf('index.docker.io/library/busybox:1')).toEqual([])
    },
  )

  test.for(having('ClusterImagePolicy', 'kgents'))(
    'holds for the namespace of functions in $name',
    ({ objects }) => {
      const namespace = objects.find(
        ({ kind, metadata }) => kind === 'Namespace' && metadata.name === NAMESPACE,
      )
      expect(namespace?.metadata.labels).toMatchObject({ 'policy.sigstore.dev/include': 'true' })
    },
  )

  test.skipIf(all.length === 0)('trusts the workflow that signs', () => {
    const [first] = having('ClusterImagePolicy', 'kgents')
    const text = JSON.stringify(first?.objects.filter(({ kind }) => kind === 'ClusterImagePolicy'))
    expect(text).toContain('/.github/workflows/deploy.yml@refs/heads/main')
  })
})
