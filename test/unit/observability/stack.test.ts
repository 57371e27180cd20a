import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { components } from '../../../functions/components.ts'
import { partsOf } from '../../../knative/parts.ts'
import type { Peer, Port } from '../../../knative/part-objects.ts'
import { deriveWebhookSecret } from '../../../shared/events/webhook.ts'
import { createApiKey } from '../../../shared/identity/api-keys.ts'
import { createSigner } from '../../../shared/identity/tokens.ts'
import { newId } from '../../../shared/new-id.ts'

const FOLDER = join(import.meta.dirname, '../../../knative/manifests/components')

// oxlint-disable-next-line typescript/no-explicit-any -- reason: objects of every kind, of which tests look into some
type Loose = any

const read = (path: string): Loose => parse(readFileSync(join(FOLDER, path), 'utf8'))

/** All objects of a component, as they are written. */
function objectsOf(component: string): Loose[] {
  return readdirSync(join(FOLDER, component))
    .filter((file) => file.endsWith('.yaml') && file !== 'kustomization.yaml' && file !== 'config.yaml')
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(FOLDER, component, file), 'utf8')).map((each) => each.toJS()),
    )
}

const COLLECTORS = { gateway: 'observability/config/collector.yaml', agent: 'logs/config.yaml' }

describe.each(Object.entries(COLLECTORS))('the collector as %s', (_name, file) => {
  const { receivers, processors, exporters, extensions, service } = read(file)

  test('has what its pipelines name, and nothing that they do not', () => {
    const used = (kind: string) =>
      new Set(Object.values<Loose>(service.pipelines).flatMap((each) => each[kind]))
    expect(used('receivers')).toEqual(new Set(Object.keys(receivers)))
    expect(used('processors')).toEqual(new Set(Object.keys(processors)))
    expect(used('exporters')).toEqual(new Set(Object.keys(exporters)))
    expect(service.extensions).toEqual(Object.keys(extensions))
  })

  test('limits its memory first, and makes batches last', () => {
    for (const { processors: steps } of Object.values<Loose>(service.pipelines)) {
      expect(steps.at(0)).toBe('memory_limiter')
      expect(steps.at(-1)).toBe('batch')
    }
  })
})

describe('the collector takes secrets out', () => {
  const { processors, service } = read(COLLECTORS.gateway)
  const patterns: RegExp[] = processors.redaction.blocked_values.map((text: string) =>
    text.startsWith('(?i)') ? new RegExp(text.slice(4), 'gi') : new RegExp(text, 'g'),
  )
  const redact = (text: string) => patterns.reduce((rest, pattern) => rest.replaceAll(pattern, '****'), text)

  test('of spans and of logs', () => {
    for (const pipeline of ['traces', 'logs'])
      expect(service.pipelines[pipeline].processors).toContain('redaction')
  })

  test('in the forms that the platform gives them', async () => {
    const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
    const key = { ...(await exportJWK(privateKey)), alg: 'EdDSA', kid: 'test' }
    const sign = createSigner({ key, issuer: 'https://auth.kgents.io' })
    const identity = { tenant: newId(), tier: 'pro', user: newId(), roles: [], permissions: [] } as const
    const secrets = [
      createApiKey().key,
      await sign({ ...identity, roles: [], permissions: [] }, 'https://api.kgents.io', 60),
      deriveWebhookSecret(Buffer.alloc(32, 1).toString('base64url'), newId(), 0),
      'postgres://kgents_app:a-password@db:5432/kgents',
      'nats://relay:a-password@nats:4222',
    ]
    for (const secret of secrets) {
      const left = redact(`it failed with "${secret}"`)
      expect(left).toContain('****')
      expect(left).not.toContain(secret.slice(-24))
      expect(left).not.toContain('a-password')
    }
  })

  test('and leaves what people need to find something', () => {
    const line = `{"tenant":"${newId()}","trace":"${'a1'.repeat(16)}","tokens":{"prompt":5},"url":"http://kong:8000/v1/jobs"}`
    expect(redact(line)).toBe(line)
  })
})

test('metrics are kept for 15 days, logs and traces for 7', () => {
  const prometheus = objectsOf('observability').find(({ kind }) => kind === 'Prometheus')
  expect(prometheus.spec.retention).toBe('15d')
  const loki = read('observability/config/loki.yaml')
  expect(loki.limits_config.retention_period).toBe('168h')
  expect(loki.compactor.retention_enabled).toBe(true)
  expect(read('observability/config/tempo.yaml').compactor.compaction.block_retention).toBe('168h')
})

test('the monitors of parts find each part that has metrics, at a port that its pods have', () => {
  const deployments = partsOf(components).flatMap((object) => (object.kind === 'Deployment' ? [object] : []))
  const monitors = objectsOf('monitoring-rules').filter(({ metadata }) =>
    ['kgents-parts', 'kgents-gateway'].includes(metadata.name),
  )
  for (const { metadata, spec } of deployments) {
    const own = monitors.find(
      ({ metadata: { name } }) => (name === 'kgents-gateway') === (metadata.name === 'gateway'),
    )
    const [container] = spec.template.spec.containers
    expect(container?.ports?.map(({ name }) => name)).toContain(own.spec.podMetricsEndpoints[0].port)
  }
  const [{ values }] = monitors[0].spec.selector.matchExpressions.filter(
    ({ operator }: Loose) => operator === 'NotIn',
  )
  expect(values).toEqual(['gateway'])
})

describe('the network of the stack', () => {
  const policies = objectsOf('observability').filter(({ kind }) => kind === 'NetworkPolicy')
  const nameOf = (policy: Loose): string => policy.spec.podSelector.matchLabels['app.kubernetes.io/name']
  const namesIn = (peers: readonly Peer[]) =>
    peers
      .flatMap((peer) => ('podSelector' in peer && !('namespaceSelector' in peer) ? [peer] : []))
      .map(({ podSelector }) => podSelector?.matchLabels?.['app.kubernetes.io/name'] ?? '')
  const wayFrom = (rules: readonly Loose[] = [], side: 'to' | 'from') =>
    rules.flatMap((rule) =>
      namesIn(rule[side]).flatMap((name) =>
        rule.ports.map(({ protocol, port }: Port) => `${name} ${protocol} ${port}`),
      ),
    )

  test('lets in at one end what it lets out at the other', () => {
    const out = policies.flatMap((policy) =>
      wayFrom(policy.spec.egress, 'to').map((way) => `${nameOf(policy)} -> ${way}`),
    )
    const into = policies.flatMap((policy) =>
      wayFrom(policy.spec.ingress, 'from').map((way) => {
        const [from, ...port] = way.split(' ')
        return `${from} -> ${[nameOf(policy), ...port].join(' ')}`
      }),
    )
    expect(new Set(out)).toEqual(new Set(into))
  })

  test('has a policy for each pod, which names both directions', () => {
    const pods = objectsOf('observability')
      .filter(({ kind }) => ['Deployment', 'StatefulSet'].includes(kind))
      .map(({ metadata }) => metadata.name)
    expect(new Set(policies.map(nameOf))).toEqual(new Set([...pods, 'prometheus', 'alertmanager']))
    for (const { spec } of policies) expect(spec.policyTypes).toEqual(['Ingress', 'Egress'])
  })

  test('lets the parts be reached at the ports that they have', () => {
    const prometheus = policies.find((policy) => nameOf(policy) === 'prometheus')
    const toParts = prometheus.spec.egress.find(
      ({ to }: Loose) => to[0].namespaceSelector?.matchLabels['kubernetes.io/metadata.name'] === 'kgents',
    )
    const ports = components.map(({ port, health }) => health.port ?? port)
    expect(new Set(toParts.ports.map(({ port }: Port) => port))).toEqual(new Set(ports))
  })
})
