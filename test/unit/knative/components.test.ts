/** What the components promise, held against the code that their promises are about. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test as base } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { components } from '../../../functions/components.ts'
import { deployKongConf } from '../../../gateway/kong/deployment.ts'
import { gateway } from '../../../gateway/kong/component.ts'
import { gpuWorker } from '../../../gpu-workers/component.ts'
import { ModelSettings } from '../../../gpu-workers/fetch-model.ts'
import { createSigningKey, publicSetOf } from '../../../knative/keys.ts'
import type { NetworkPolicy } from '../../../knative/part-objects.ts'
import { CALLERS_OF_FUNCTIONS } from '../../../knative/network/places.ts'
import { relay } from '../../../knative/relay/component.ts'
import { createMetrics } from '../../../knative/relay/metrics.ts'
import { secretValues, withoutSecrets } from '../../../knative/setup/secret-values.ts'
import { createClusterSettings } from '../../../knative/setup/settings.ts'
import { TIERS } from '../../../shared/plans/tiers.ts'
import { buildWith, MANIFESTS } from './built-components.ts'
import { workloadsOf } from './built-overlays.ts'
import type { Loose } from './component-laws.ts'
import { readAdded, readBuiltIn } from './definitions.ts'
import { createNetwork, type Pod } from './network.ts'
import { findObjectProblems } from './object-laws.ts'
import { findPodProblems } from './pod-security.ts'
import { findProblems } from './structural-schema.ts'

const OURS = [
  'namespaces',
  'gpu-pool',
  'gpu-nvidia',
  'kueue',
  'karpenter',
  'external-secrets',
  'external-secrets-servers',
  'external-secrets-cloudflare',
  'cert-manager',
  'ingress',
  'istio',
  'ollama',
]

const test = base.extend(
  'objects',
  { scope: 'file' },
  async () => (await buildWith(...OURS)) as Loose[] | undefined,
)

const find = (objects: readonly Loose[], kind: string, name: string, namespace?: string) => {
  const found = objects.find(
    (each) =>
      each.kind === kind &&
      each.metadata.name === name &&
      (namespace === undefined || each.metadata.namespace === namespace),
  )
  if (found === undefined) throw new TypeError(`no ${kind} ${name}`)
  return found
}
const NO_KUBECTL = 'there is no kubectl here'
const readComponent = (name: string) =>
  parse(readFileSync(join(MANIFESTS, 'components', name), 'utf8')) as Loose & { data: Record<string, string> }

test('all objects fit their schemas and each other, and all pods the standard "restricted"', async ({
  objects,
  skip,
}) => {
  const all = objects ?? skip(NO_KUBECTL)
  for (const { kind, metadata, pod } of workloadsOf(all))
    expect(findPodProblems(pod), `${kind} ${metadata.name}`).toEqual([])
  expect(findObjectProblems(all)).toEqual([])
  const added = await readAdded()
  if (added.length === 0) skip('no definitions of added kinds are here')
  const builtIn = await readBuiltIn().catch((error: Error) => skip(`no schemas: ${error.message}`))
  const problems = all.flatMap((object) =>
    findProblems(object, [...builtIn, ...added]).map((problem) => `${object.metadata.name}: ${problem}`),
  )
  expect(problems).toEqual([])
})

test('each namespace refuses what "restricted" refuses, lets nothing through by itself, and resolves names', ({
  objects,
  skip,
}) => {
  const all = objects ?? skip(NO_KUBECTL)
  const namespaces = all.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata)
  expect(namespaces.map(({ name }) => name).toSorted()).toEqual([
    'kgents',
    'kgents-agents',
    'kgents-observability',
    'kgents-triad',
  ])
  const { lets } = networkOf(all)
  const dns: Pod = { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } }
  for (const { name, labels } of namespaces) {
    expect(labels?.['pod-security.kubernetes.io/enforce']).toBe('restricted')
    const pod: Pod = { namespace: name, labels: { app: 'any' } }
    expect(lets(pod, dns, 53)).toBe(true)
    expect(lets(pod, { address: 'public' }, 443)).toBe(false)
    expect(lets({ namespace: 'default', labels: {} }, pod, 8080)).toBe(false)
  }
})

test('KEDA reads a gauge that relays have, where they listen, and nobody else from elsewhere does', async ({
  objects,
  skip,
}) => {
  const all = objects ?? skip(NO_KUBECTL)
  const [trigger] = find(all, 'ScaledObject', 'gpu-worker').spec.triggers
  expect(await createMetrics().render()).toMatch(
    new RegExp(`^# TYPE ${trigger.metadata.valueLocation} gauge$`, 'm'),
  )
  const url = new URL(trigger.metadata.url)
  expect(url.pathname).toBe('/metrics')
  expect(Number(url.port)).toBe(relay.port)
  const { lets } = networkOf(all)
  const relayPod: Pod = { namespace: 'kgents', labels: { 'kgents.io/part': 'relay' } }
  expect(lets({ namespace: 'keda', labels: { app: 'keda-operator' } }, relayPod, relay.port)).toBe(true)
  expect(lets({ namespace: 'keda', labels: { app: 'other' } }, relayPod, relay.port)).toBe(false)
  expect(lets({ namespace: 'default', labels: { app: 'keda-operator' } }, relayPod, relay.port)).toBe(false)
})

test('a worker is given the variables that it knows, and the time to finish what it has', ({
  objects,
  skip,
}) => {
  const { spec } = find(objects ?? skip(NO_KUBECTL), 'Deployment', 'gpu-worker').spec.template
  const [container] = spec.containers
  const [model] = spec.initContainers
  const valuesOf = ({ env }: { env: { name: string; value?: string }[] }) =>
    Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
  const { NVIDIA_DRIVER_CAPABILITIES: _driver, ...values } = valuesOf(container)
  const settings = gpuWorker.env.parse({
    INFERENCE_BASE_URL: 'http://from-kgents-config/v1',
    INFERENCE_MODEL: 'any',
    NATS_URL: 'nats://nats:4222',
    ...values,
  })
  expect(settings).toMatchObject({
    ENGINE: 'llama-cpp',
    INFERENCE_GPU: 'cuda',
    MODEL_PATH: '/models/model.gguf',
  })
  const known = gpuWorker.variables.map(({ name }) => name)
  expect(Object.keys(values).filter((name) => !known.includes(name))).toEqual([])
  expect(settings.DRAIN_SECONDS).toBeLessThan(spec.terminationGracePeriodSeconds)
  expect(valuesOf(model)['MODEL_PATH']).toBe(values['MODEL_PATH'])
  expect(Object.keys(valuesOf(model)).every((name) => name in ModelSettings.shape)).toBe(true)
  expect(model.image).toBe(container.image)
  expect(model.envFrom).toEqual([{ configMapRef: { name: 'kgents-model' } }])
})

test('each tier has a class of its own, in the order of tiers and below the workers that serve all', ({
  objects,
  skip,
}) => {
  const classes = (objects ?? skip(NO_KUBECTL)).filter(({ kind }) => kind === 'WorkloadPriorityClass')
  const byValue = classes
    .map((each) => ({ name: each.metadata.name, value: (each as unknown as { value: number }).value }))
    .toSorted((a, b) => a.value - b.value)
  expect(byValue.map(({ name }) => name)).toEqual([
    ...TIERS.map((tier) => `kgents-${tier}`),
    'kgents-serving',
  ])
})

test('each Secret of cluster:settings comes from the store, with the keys that were put there', async ({
  objects,
  skip,
}) => {
  const all = objects ?? skip(NO_KUBECTL)
  const { objects: settings } = await createClusterSettings(
    components,
    {
      databaseUrl: 'postgres://owner:password@db/kgents',
      natsUrl: 'nats://nats:4222',
      natsReplicas: 3,
      redisUrl: 'redis://redis:6379',
      inference: { url: 'http://models/v1', model: 'any', key: 'key' },
    },
    { slug: 'acme', admin: 'ada@acme.example' },
  )
  const file = settings.map((object) => stringify(object)).join('---\n')
  const others = settings.filter(({ kind }) => kind !== 'Secret')
  expect(parseAllDocuments(withoutSecrets(file)).map((document) => document.toJS() as unknown)).toEqual(
    others,
  )
  for (const object of settings) {
    if (object.kind !== 'Secret') continue
    const { name, namespace } = object.metadata
    expect(secretValues(file, name)).toEqual(object.stringData)
    const { target, dataFrom, refreshInterval } = find(all, 'ExternalSecret', name, namespace).spec
    expect(dataFrom).toEqual([{ extract: { key: `kgents/${name.replace('kgents-', '')}` } }])
    expect(target.template?.type ?? 'Opaque').toBe(object.type)
    expect({ name: target.name, refreshInterval }).toEqual({ name, refreshInterval: '5m' })
  }
})

test('Cloudflare has the same networks for Kong and for the load balancer, and is believed about clients', async () => {
  const { data } = readComponent('ingress/cloudflare.yaml')
  const networks = data['TRUSTED_PROXIES']?.split(',') ?? []
  const ipv4 = networks.filter((network) => !network.includes(':'))
  expect(readComponent('ingress/load-balancer.yaml').spec.loadBalancerSourceRanges).toEqual(ipv4)
  expect(networks.length).toBeGreaterThan(20)
  const environment = gateway.env.parse({ PLATFORM_JWKS: publicSetOf(await createSigningKey('k')), ...data })
  const conf = deployKongConf('tracing_sampling_rate = 1\n', environment)
  expect(conf).toContain(`trusted_ips = ${networks.join(',')}\n`)
  expect(conf).toContain('real_ip_header = CF-Connecting-IP\n')
})

test('the gateway listens with TLS beside what kong.conf says, and is reached there', ({ objects, skip }) => {
  const all = objects ?? skip(NO_KUBECTL)
  const conf = readFileSync(new URL('../../../gateway/kong/kong.conf', import.meta.url), 'utf8')
  const [, plain = ''] = /^proxy_listen = (.*)$/m.exec(conf) ?? []
  const [container] = find(all, 'Deployment', 'gateway').spec.template.spec.containers
  const listen = container.env.find(({ name }: { name: string }) => name === 'KONG_PROXY_LISTEN')?.value
  expect(listen.split(', ')).toEqual([plain, plain.replace('8000', '8443 ssl')])
  expect(
    networkOf(all).lets(
      { address: 'public' },
      { namespace: 'kgents', labels: { 'kgents.io/part': 'gateway' } },
      8443,
    ),
  ).toBe(true)
})

test('a worker that uses the model server of the cluster asks it for models that it has fetched', ({
  objects,
  skip,
}) => {
  const all = objects ?? skip(NO_KUBECTL)
  const { env } = readComponent('ollama/worker-patch.yaml').spec.template.spec.containers[0]
  const values = Object.fromEntries(
    env.map(({ name, value }: { name: string; value: string }) => [name, value]),
  )
  expect(gpuWorker.env.parse({ NATS_URL: 'nats://nats:4222', ...values })).toMatchObject({ ENGINE: 'openai' })
  const [models] = find(all, 'StatefulSet', 'ollama').spec.template.spec.initContainers
  const fetched = models.env.find(({ name }: { name: string }) => name === 'MODELS').value.split(' ')
  expect(fetched).toEqual([values['INFERENCE_MODEL'], values['INFERENCE_EMBEDDING_MODEL']])
  const { hostname, port } = new URL(values['INFERENCE_BASE_URL'])
  const { metadata, spec } = find(all, 'Service', 'ollama')
  expect(hostname).toBe(`${metadata.name}.${metadata.namespace}.svc.cluster.local`)
  expect(spec.ports[0].port).toBe(Number(port || 80))
})

test('a worker reaches the model server of the cluster, and nobody else does', ({ objects, skip }) => {
  const { lets } = networkOf(objects ?? skip(NO_KUBECTL))
  const ollama: Pod = { namespace: 'kgents', labels: { 'app.kubernetes.io/name': 'ollama' } }
  const part = (name: string): Pod => ({ namespace: 'kgents', labels: { 'kgents.io/part': name } })
  expect(lets(part('gpu-worker'), ollama, 11434)).toBe(true)
  for (const name of ['gateway', 'relay', 'webhooks']) expect(lets(part(name), ollama, 11434)).toBe(false)
  expect(lets(ollama, part('relay'), relay.port)).toBe(false)
})

test('in the mesh, callers without a certificate reach the ports of Knative and of metrics alone', ({
  objects,
  skip,
}) => {
  const all = objects ?? skip(NO_KUBECTL)
  const decided = all.filter(({ kind }) => kind === 'PeerAuthentication')
  const inMesh = all.filter(
    ({ kind, metadata }) => kind === 'Namespace' && metadata.labels?.['istio-injection'] === 'enabled',
  )
  for (const { metadata } of inMesh)
    expect(find(decided, 'PeerAuthentication', 'default', metadata.name).spec).toEqual({
      mtls: { mode: 'STRICT' },
    })
  expect(inMesh).toHaveLength(3)
  const open = Object.keys(
    find(decided, 'PeerAuthentication', 'callers-outside-the-mesh', 'kgents').spec.portLevelMtls,
  )
  const knative = CALLERS_OF_FUNCTIONS.flatMap(({ ports }) => ports).map(({ port }) => port)
  const { template } = find(all, 'Deployment', 'gateway').spec
  const around = template.metadata.annotations['traffic.sidecar.istio.io/excludeInboundPorts'].split(',')
  const ports = template.spec.containers.flatMap((each: { ports: { containerPort: number }[] }) => each.ports)
  expect(
    ports.map(({ containerPort }: { containerPort: number }) => String(containerPort)).toSorted(),
  ).toEqual(around.toSorted())
  const ofParts = components.filter(({ name }) => name !== gateway.name).map(({ port }) => port)
  expect(open.toSorted()).toEqual([...new Set([...knative, ...ofParts])].map(String).toSorted())
})

function networkOf(objects: readonly Loose[]) {
  return createNetwork(objects.filter(({ kind }) => kind === 'NetworkPolicy') as unknown as NetworkPolicy[])
}
