import { describe, expect, test as base } from 'vitest'
import { buildOverlay, ENVIRONMENTS, workloadsOf } from './built-overlays.ts'
import { readAdded, readBuiltIn } from './definitions.ts'
import { findObjectProblems } from './object-laws.ts'
import { findPodProblems } from './pod-security.ts'
import { findProblems, type KubernetesObject } from './structural-schema.ts'

const added = await readAdded()
const builtIn = await readBuiltIn().catch((error: Error) => error)
/** Of whose kinds there are no schemas here. */
const UNDESCRIBED = new Set<string>([])
/** Namespaces that come with what an operator installs. */
const INSTALLED = ['knative-eventing', 'knative-serving', 'kourier-system', 'kube-system', undefined]

const test = base.extend('built', { scope: 'file' }, async () => {
  const built = await Promise.all(ENVIRONMENTS.map(async (each) => [each, await buildOverlay(each)] as const))
  return new Map(built)
})

const nameOf = ({ kind, metadata: { namespace = '', name } }: KubernetesObject) =>
  `${kind} ${namespace}/${name}`
const groupOf = ({ apiVersion }: KubernetesObject) => apiVersion.split('/')[0] ?? ''

describe.for(ENVIRONMENTS)('the overlay %s', (environment) => {
  test('has objects that fit their schemas, without a field that is unknown', ({ built, skip }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    const known =
      builtIn instanceof Error ? skip(`no schemas of Kubernetes: ${builtIn.message}`) : [...builtIn, ...added]
    if (added.length === 0) skip('no definitions of added kinds are here')
    const problems = objects
      .filter((object) => !UNDESCRIBED.has(groupOf(object)))
      .flatMap((object) => findProblems(object, known).map((problem) => `${nameOf(object)}: ${problem}`))
    expect(problems).toEqual([])
  })

  test('has pods that the standard "restricted" admits, within bounds, of fixed versions', ({
    built,
    skip,
  }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    const problems = workloadsOf(objects).flatMap((each) =>
      findPodProblems(each.pod).map((problem) => `${nameOf(each)}: ${problem}`),
    )
    expect(problems).toEqual([])
  })

  test('has objects that fit together', ({ built, skip }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    expect(findObjectProblems(objects)).toEqual([])
  })

  test('has each object once, in a namespace that it makes', ({ built, skip }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    const names = objects.map(nameOf)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
    const namespaces = objects.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name)
    const strays = objects.filter(
      ({ metadata }) => ![...namespaces, ...INSTALLED].includes(metadata.namespace),
    )
    expect(strays.map(nameOf)).toEqual([])
  })

  test('has Services that select pods, and name ports that these have', ({ built, skip }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    const workloads = workloadsOf(objects)
    for (const service of objects.filter(
      ({ apiVersion, kind }) => apiVersion === 'v1' && kind === 'Service',
    )) {
      const { spec } = service as KubernetesObject & { spec: ServiceSpec }
      const pods = workloads.filter(
        ({ metadata, labels }) =>
          metadata.namespace === service.metadata.namespace &&
          Object.entries(spec.selector).every(([name, value]) => labels[name] === value),
      )
      const ports = pods.flatMap(({ pod }) => pod.containers.flatMap((container) => container.ports ?? []))
      const open = ports.flatMap(({ name, containerPort }) => [name, containerPort])
      for (const { port, targetPort = port } of spec.ports)
        expect(open, `${nameOf(service)}: port ${port}`).toContain(targetPort)
    }
  })
})

interface ServiceSpec {
  selector: Record<string, string>
  ports: { port: number; targetPort?: number | string }[]
}
