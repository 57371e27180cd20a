import { describe, expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { servicesOf, triggersOf } from '../../../knative/manifests.ts'
import type { Container, KnativeService, Trigger } from '../../../knative/objects.ts'
import { findServiceProblems, findTriggerProblems } from './webhook-laws.ts'

function aService(): KnativeService {
  const [service] = servicesOf(catalog)
  if (service === undefined) throw new TypeError('the catalog is empty')
  return service
}

function aTrigger(): Trigger {
  const [trigger] = triggersOf(catalog)
  if (trigger === undefined) throw new TypeError('the catalog has no trigger')
  return trigger
}

const podOf = ({ spec }: KnativeService) => spec.template.spec
const annotate = (service: KnativeService, name: string, value: unknown) =>
  Object.assign(service.spec.template.metadata.annotations, { [`autoscaling.knative.dev/${name}`]: value })
const changeContainer = (service: KnativeService, change: object) =>
  Object.assign(podOf(service).containers[0] as Container, change)

const REFUSED_SERVICES: [problem: string, breakIt: (service: KnativeService) => unknown][] = [
  [
    'autoscaling annotations belong into the template',
    ({ metadata }) => (metadata.annotations = { 'autoscaling.knative.dev/min-scale': '1' }),
  ],
  ['annotations are strings', (service) => annotate(service, 'window', 30)],
  ['the name is no DNS label', ({ metadata }) => (metadata.name = 'Void_entropy')],
  ['reachable from outside the cluster', ({ metadata }) => (metadata.labels = {})],
  ['a pod field is behind a feature flag', (service) => Object.assign(podOf(service), { nodeSelector: {} })],
  ['timeoutSeconds out of range', (service) => (podOf(service).timeoutSeconds = 601)],
  ['concurrency out of range', (service) => (podOf(service).containerConcurrency = 1001)],
  [
    'a volume kind is behind a flag',
    (service) => Object.assign(podOf(service).volumes[0] ?? {}, { hostPath: { path: '/' } }),
  ],
  ['more or less than one container', (service) => podOf(service).containers.splice(0)],
  [
    'more than one port',
    (service) => changeContainer(service, { ports: [{ containerPort: 8080 }, { containerPort: 9090 }] }),
  ],
  [
    'fieldRef is behind a feature flag',
    (service) =>
      changeContainer(service, {
        env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      }),
  ],
  ['a refused field', (service) => changeContainer(service, { startupProbe: {} })],
  ['target is below 0.01', (service) => annotate(service, 'target', '0.001')],
  [
    'min-scale is above max-scale',
    (service) => [annotate(service, 'min-scale', '3'), annotate(service, 'max-scale', '2')],
  ],
  ['target-burst-capacity is below -1', (service) => annotate(service, 'target-burst-capacity', '-2')],
  ['initial-scale 0 needs allow-zero-initial-scale', (service) => annotate(service, 'initial-scale', '0')],
]

const REFUSED_TRIGGERS: [problem: string, breakIt: (trigger: Trigger) => unknown][] = [
  [
    'an attribute name has other than a-z and 0-9',
    ({ spec }) => (spec.filters = [{ exact: { tenant_id: 'acme' } }]),
  ],
  [
    'retry, backoffPolicy and backoffDelay belong together',
    ({ spec }) => (spec.delivery = { retry: 8, backoffPolicy: 'exponential' }),
  ],
  [
    'retryAfterMax is behind a feature flag',
    ({ spec }) => Object.assign(spec.delivery ?? {}, { retryAfterMax: 'PT30S' }),
  ],
  ['not the event route', ({ spec }) => (spec.subscriber.uri = '/')],
]

describe('the laws that no schema has', () => {
  test.for(REFUSED_SERVICES)('findServiceProblems() finds: %s', ([problem, breakIt]) => {
    const service = aService()
    expect(findServiceProblems(service)).toEqual([])
    breakIt(service)
    expect(findServiceProblems(service)).toContain(problem)
  })

  test.for(REFUSED_TRIGGERS)('findTriggerProblems() finds: %s', ([problem, breakIt]) => {
    const trigger = aTrigger()
    expect(findTriggerProblems(trigger)).toEqual([])
    breakIt(trigger)
    expect(findTriggerProblems(trigger)).toContain(problem)
  })
})
