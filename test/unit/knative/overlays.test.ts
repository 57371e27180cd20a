import { describe, expect, test as base } from 'vitest'
import { components } from '../../../functions/components.ts'
import { createClusterSettings } from '../../../knative/setup/settings.ts'
import { buildOverlay, ENVIRONMENTS, workloadsOf } from './built-overlays.ts'
import { readAdded, readBuiltIn } from './definitions.ts'
import { findObjectProblems } from './object-laws.ts'
import { findPodProblems } from './pod-security.ts'
import { referencesOf } from './references.ts'
import { findProblems, type KubernetesObject } from './structural-schema.ts'

const added = await readAdded()
const builtIn = await readBuiltIn().catch((error: Error) => error)
/** Kinds of which there are no schemas here. */
const UNDESCRIBED = new Set([
  'postgresql.cnpg.io/v1 Cluster',
  'postgresql.cnpg.io/v1 ScheduledBackup',
  'barmancloud.cnpg.io/v1 ObjectStore',
  'monitoring.coreos.com/v1 Prometheus',
  'monitoring.coreos.com/v1 Alertmanager',
  'policy.sigstore.dev/v1beta1 ClusterImagePolicy',
])
/** Namespaces that come with what an operator installs. */
const INSTALLED = [
  'cert-manager',
  'gpu-operator',
  'knative-eventing',
  'knative-serving',
  'kourier-system',
  undefined,
]
/** Namespaces of pods that have to do what "restricted" forbids. */
const PRIVILEGED = ['kgents-logs']

/** Secrets and ConfigMaps of which `knative/README.md` has the command. */
const BY_HAND = new Set(['grafana-admin', 'kgents-model'])
const { objects: settings } = await createClusterSettings(
  components,
  { backups: { bucket: 'kgents-backups', region: 'us-east-1', keyId: 'id', key: 'key' } },
  { slug: 'acme', admin: 'ada@acme.example' },
)

/** What a pod can read of an object; the keys of what others write are theirs to know. */
function keysOf(object: KubernetesObject) {
  const { kind, metadata } = object
  const { data, stringData, spec } = object as {
    data?: object
    stringData?: object
    spec?: { target?: { name: string }; secretName?: string }
  }
  const written =
    kind === 'ExternalSecret' ? spec?.target?.name : kind === 'Certificate' ? spec?.secretName : undefined
  return {
    kind: written === undefined ? kind : 'Secret',
    namespace: metadata.namespace ?? '',
    name: written ?? metadata.name,
    keys: written === undefined ? Object.keys({ ...data, ...stringData }) : ('any' as const),
  }
}

const test = base.extend('built', { scope: 'file' }, async () => {
  const built = await Promise.all(ENVIRONMENTS.map(async (each) => [each, await buildOverlay(each)] as const))
  return new Map(built)
})

const nameOf = ({ kind, metadata: { namespace = '', name } }: KubernetesObject) =>
  `${kind} ${namespace}/${name}`

describe.for(ENVIRONMENTS)('the overlay %s', (environment) => {
  test('has objects that fit their schemas, without a field that is unknown', ({ built, skip }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    const known =
      builtIn instanceof Error ? skip(`no schemas of Kubernetes: ${builtIn.message}`) : [...builtIn, ...added]
    if (added.length === 0) skip('no definitions of added kinds are here')
    const problems = objects
      .filter((object) => !UNDESCRIBED.has(`${object.apiVersion} ${object.kind}`))
      .flatMap((object) => findProblems(object, known).map((problem) => `${nameOf(object)}: ${problem}`))
    expect(problems).toEqual([])
  })

  test('has pods that the standard "restricted" admits, within bounds, of fixed versions', ({
    built,
    skip,
  }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    const problems = workloadsOf(objects)
      .filter(({ metadata }) => !PRIVILEGED.includes(metadata.namespace ?? ''))
      .flatMap((each) => findPodProblems(each.pod).map((problem) => `${nameOf(each)}: ${problem}`))
    const enforced = objects
      .filter(({ kind, metadata }) => kind === 'Namespace' && !PRIVILEGED.includes(metadata.name))
      .map(({ metadata }) => metadata.labels?.['pod-security.kubernetes.io/enforce'])
    expect(new Set(enforced)).toEqual(new Set(['restricted']))
    expect(problems).toEqual([])
  })

  test('has objects that fit together', ({ built, skip }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    expect(findObjectProblems(objects)).toEqual([])
  })

  test('has pods that read nothing but what it brings and what an operator is told to make', ({
    built,
    skip,
  }) => {
    const objects = built.get(environment) ?? skip('there is no kubectl here')
    const given = [...settings, ...objects].map(keysOf)
    const missing = referencesOf(objects).filter(
      ({ kind, namespace, name, key }) =>
        !BY_HAND.has(name) &&
        !given.some(
          (each) =>
            each.kind === kind &&
            each.namespace === namespace &&
            each.name === name &&
            (key === undefined || each.keys === 'any' || each.keys.includes(key)),
        ),
    )
    expect(missing).toEqual([])
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
      if (CLUSTER_OF_POSTGRES in spec.selector) {
        expect(objects.map(nameOf)).toContain(
          `Cluster ${service.metadata.namespace}/${spec.selector[CLUSTER_OF_POSTGRES]}`,
        )
        continue
      }
      for (const { port, targetPort = port } of spec.ports)
        expect(open, `${nameOf(service)}: port ${port}`).toContain(targetPort)
    }
  })
})

/** On pods that an operator makes, with the name of its object. */
const CLUSTER_OF_POSTGRES = 'cnpg.io/cluster'

interface ServiceSpec {
  selector: Record<string, string>
  ports: { port: number; targetPort?: number | string }[]
}
