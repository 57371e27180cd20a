import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { brokerChannelOf, brokerOf, servicesOf, triggersOf } from '../../../knative/manifests.ts'
import { readTarget, renderManifests } from '../../../knative/render.ts'
import { DEFAULT_TARGET } from '../../../knative/target.ts'
import { buildFolder } from './built-overlays.ts'
import { readAdded } from './definitions.ts'
import { findProblems, type KubernetesObject } from './structural-schema.ts'
import { findServiceProblems, findTriggerProblems } from './webhook-laws.ts'

const definitions = await readAdded()
const services = servicesOf(catalog)
const triggers = triggersOf(catalog)

const example = {
  name: 'void-entropy',
  needs: ['postgres', 'redis', 'jobs'] as const,
  scale: {
    containerConcurrency: 20,
    timeoutSeconds: 60,
    minScale: 1,
    maxScale: 5,
    target: 15,
    targetBurstCapacity: 0,
  },
  triggers: [{ name: 'paid', attributes: { type: 'io.kgents.billing.paid', function: 'void-entropy' } }],
}

test('servicesOf() puts scale into annotations of the template, as strings, and nowhere else', () => {
  const [service] = servicesOf([example])
  expect(service?.metadata).toEqual({
    name: 'void-entropy',
    namespace: 'kgents',
    labels: { 'app.kubernetes.io/part-of': 'kgents', 'networking.knative.dev/visibility': 'cluster-local' },
  })
  expect(service?.spec.template.metadata.annotations).toEqual({
    'autoscaling.knative.dev/target': '15',
    'autoscaling.knative.dev/target-burst-capacity': '0',
    'autoscaling.knative.dev/min-scale': '1',
    'autoscaling.knative.dev/max-scale': '5',
  })
  expect(service?.spec.template.spec).toMatchObject({ containerConcurrency: 20 })
})

test('servicesOf() lets the function answer first when its time is over, and drain before its pod is killed', () => {
  const QUIET_SECONDS_OF_QUEUE_PROXY = 30
  for (const [index, { scale }] of catalog.entries()) {
    const { timeoutSeconds } = services[index]?.spec.template.spec ?? { timeoutSeconds: 0 }
    expect(timeoutSeconds).toBeGreaterThan(scale.timeoutSeconds)
    expect(timeoutSeconds).toBeGreaterThan(QUIET_SECONDS_OF_QUEUE_PROXY)
  }
})

test('servicesOf() begins without a pod where the cluster allows it, but for who always has one', () => {
  const zero = { 'autoscaling.knative.dev/initial-scale': '0' }
  const annotationsOf = (startsAtZero: boolean, scale: object) =>
    servicesOf([{ ...example, scale: { ...example.scale, ...scale } }], {
      ...DEFAULT_TARGET,
      startsAtZero,
    })[0]?.spec.template.metadata.annotations
  expect(annotationsOf(true, { minScale: undefined })).toMatchObject(zero)
  expect(annotationsOf(true, {})).not.toMatchObject(zero)
  expect(annotationsOf(false, { minScale: undefined })).not.toMatchObject(zero)
})

test('servicesOf() gives a function the shared settings, and only the secrets that follow from its needs, each once', () => {
  const [container] = servicesOf([example])[0]?.spec.template.spec.containers ?? []
  const secret = (name: string) => ({
    name,
    valueFrom: { secretKeyRef: { name: 'kgents-secrets', key: name } },
  })
  expect(container?.env).toEqual([
    { name: 'FUNCTION', value: 'void-entropy' },
    secret('DATABASE_URL'),
    secret('UPSTASH_REDIS_REST_TOKEN'),
    secret('EVENT_SIGNING_KEY'),
  ])
  expect(container?.envFrom).toEqual([{ configMapRef: { name: 'kgents-config' } }])
})

test('servicesOf() runs functions without rights, on a read-only file system', () => {
  for (const { spec } of services) {
    const [container] = spec.template.spec.containers
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: 10_001,
      runAsGroup: 10_001,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(container?.volumeMounts).toEqual([{ name: 'tmp', mountPath: '/tmp' }])
    expect(spec.template.spec.automountServiceAccountToken).toBe(false)
  }
})

test('triggersOf() brings each trigger to its function, with retries and their pauses', () => {
  const [trigger] = triggersOf([example])
  expect(trigger).toMatchObject({
    metadata: { name: 'void-entropy-paid', namespace: 'kgents' },
    spec: {
      broker: 'default',
      filters: [{ exact: { type: 'io.kgents.billing.paid', function: 'void-entropy' } }],
      subscriber: {
        ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'void-entropy' },
        uri: '/events',
      },
      delivery: { retry: 8, backoffPolicy: 'exponential', backoffDelay: 'PT1S' },
    },
  })
})

const sink = { ...example, name: 'keeps-letters', triggers: [], deadLetters: {} }
const toSink = {
  ref: {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    name: 'keeps-letters',
    namespace: 'staging',
  },
  uri: '/dead-letters',
}

test('triggersOf() and brokerOf() name the function of the catalog that keeps dead letters as their sink', () => {
  const target = { ...DEFAULT_TARGET, namespace: 'staging' }
  expect(triggersOf([example, sink], target)[0]?.spec.delivery).toMatchObject({ deadLetterSink: toSink })
  expect(brokerOf([example, sink], target).spec.delivery).toMatchObject({ deadLetterSink: toSink })
  expect(servicesOf([example], target)[0]?.metadata.namespace).toBe('staging')
})

test('every event that a function of the catalog takes has a place to go when no attempt could deliver it', () => {
  const keeping = catalog.filter(({ deadLetters }) => deadLetters !== undefined)
  expect(keeping).toHaveLength(1)
  const forEvents = triggers.filter(({ spec }) => spec.subscriber.uri === '/events')
  expect(forEvents).toHaveLength(catalog.flatMap((each) => each.triggers).length)
  for (const { spec } of [...forEvents, brokerOf(catalog)]) {
    expect(spec.delivery?.deadLetterSink).toMatchObject({
      ref: { name: keeping[0]?.name },
      uri: '/dead-letters',
    })
  }
})

test('a delivery is tried for more than eight minutes on a cluster, which waits twice the pause before a first retry', () => {
  const { retry = 0, backoffPolicy, backoffDelay } = triggersOf([example])[0]?.spec.delivery ?? {}
  expect({ backoffPolicy, backoffDelay }).toEqual({ backoffPolicy: 'exponential', backoffDelay: 'PT1S' })
  const pauses = Array.from({ length: retry }, (_, index) => 2 ** (index + 1))
  expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBe(510)
})

test('brokerChannelOf() keeps events in files of JetStream, not in memory', () => {
  const template = parse(brokerChannelOf().data['channel-template-spec'] ?? '') as object
  expect(template).toMatchObject({
    kind: 'NatsJetStreamChannel',
    spec: { stream: { config: { storage: 'File' } } },
  })
  expect(brokerOf(catalog).spec.config?.name).toBe(brokerChannelOf().metadata.name)
})

test('every function of the catalog is a Service, and every trigger a Trigger, with names of their own', () => {
  expect(services.map(({ metadata }) => metadata.name)).toEqual(catalog.map(({ name }) => name))
  expect(triggers).toHaveLength(
    catalog.flatMap(({ triggers, tick }) => [...triggers, ...(tick === undefined ? [] : [tick])]).length,
  )
  expect(new Set(triggers.map(({ metadata }) => metadata.name)).size).toBe(triggers.length)
})

test('triggersOf() brings who acts by the clock the event that something is due, tried twice and kept by nobody', () => {
  expect(triggersOf([{ ...example, triggers: [], tick: {} }, sink])).toMatchObject([
    {
      metadata: { name: 'void-entropy-tick' },
      spec: {
        filters: [{ exact: { type: 'io.kgents.clock.tick', function: 'void-entropy' } }],
        subscriber: { ref: { kind: 'Service', name: 'void-entropy' }, uri: '/ticks' },
        delivery: { retry: 1, backoffPolicy: 'exponential', backoffDelay: 'PT1S' },
      },
    },
  ])
  expect(triggersOf([{ ...example, tick: {} }, sink]).at(-1)?.spec.delivery).not.toHaveProperty(
    'deadLetterSink',
  )
})

test('no manifest breaks a law of the admission webhook', () => {
  for (const service of [...services, ...servicesOf([example])])
    expect(findServiceProblems(service)).toEqual([])
  for (const trigger of [...triggers, ...triggersOf([example])])
    expect(findTriggerProblems(trigger)).toEqual([])
})

test('every manifest fits the schema of its CustomResourceDefinition', ({ skip }) => {
  if (definitions.length === 0) skip('no definitions of added kinds are here')
  const channel = parse(brokerChannelOf().data['channel-template-spec'] ?? '') as KubernetesObject
  for (const object of [...services, ...triggers, brokerOf(catalog), channel]) {
    expect(findProblems(object, definitions)).toEqual([])
  }
})

test('a typo, a wrong type and a missing field would not fit', ({ skip }) => {
  if (definitions.length === 0) skip('no definitions of added kinds are here')
  const [service] = servicesOf([example])
  const { containers } = service?.spec.template.spec ?? { containers: [] }
  Object.assign(containers[0] ?? {}, {
    imagePullPolice: 'Always',
    env: [{ value: 'x' }],
    ports: [{ containerPort: '80' }],
  })
  if (service === undefined) throw new TypeError('no service')
  const container = 'Service.spec.template.spec.containers[0]'
  expect(findProblems(service, definitions).toSorted()).toEqual([
    `${container}.env[0].name: missing`,
    `${container}.imagePullPolice: unknown field`,
    `${container}.ports[0].containerPort: not of type integer`,
  ])
})

test('renderManifests() writes one object a file for kn, and says in all others who wrote them', () => {
  const files = renderManifests(catalog, components)
  for (const [index, { name }] of catalog.entries()) {
    const text = files[`services/${name}.yaml`] ?? ''
    expect(text).toMatch(/^apiVersion: serving/)
    expect(parseAllDocuments(text).map((document) => document.toJS() as unknown)).toEqual([services[index]])
    expect(services[index]?.spec.template.spec.containers.map((container) => container.name)).toEqual([
      'user-container',
    ])
  }
  for (const [name, text] of Object.entries(files)) {
    if (!name.startsWith('services/'))
      expect(text).toMatch(
        /^# Written from functions\/catalog\.ts and functions\/components\.ts by: node knative/,
      )
  }
})

test('renderManifests() lists its files for kubectl, the namespace first, but for the Job that is applied by itself', () => {
  const files = renderManifests(catalog, components)
  const { 'kustomization.yaml': kustomization = '', 'setup.yaml': _job, ...listed } = files
  const { resources } = parse(kustomization) as { resources: string[] }
  expect(resources).toEqual(Object.keys(listed))
  expect(resources[0]).toBe('namespace.yaml')
})

test('kubectl builds what is committed into all of its objects', async ({ skip }) => {
  const folder = fileURLToPath(new URL('../../../knative/manifests/base', import.meta.url))
  const built = (await buildFolder(folder)) ?? skip('there is no kubectl here')
  const { 'setup.yaml': _job, 'kustomization.yaml': _list, ...files } = renderManifests(catalog, components)
  const count = (text: string) => text.match(/^kind: /gm)?.length ?? 0
  expect(built).toHaveLength(Object.values(files).reduce((sum, text) => sum + count(text), 0))
})

test('kustomize() says why a folder cannot be built', async ({ skip }) => {
  const built = await buildFolder('/nowhere').catch((error: Error) => error)
  if (built === undefined) skip('there is no kubectl here')
  expect(built).toMatchObject({
    message: expect.stringMatching(/^Cannot build "\/nowhere": must build at directory/),
  })
})

test('readTarget() takes images by digest or on the nodes, and names the one that is missing or has a tag', () => {
  const image = (name: string) => `registry.example.com/${name}@sha256:${'a'.repeat(64)}`
  const images = { 'functions-image': image('f'), 'parts-image': image('p'), 'worker-image': image('w') }
  expect(readTarget(images)).toEqual({
    ...DEFAULT_TARGET,
    images: { functions: image('f'), parts: image('p'), worker: image('w') },
  })
  expect(() => readTarget({ ...images, 'parts-image': 'parts:1.0' })).toThrow(
    'Cannot render manifests: --parts-image: "parts:1.0" has no digest (name@sha256:...)',
  )
  expect(readTarget({ ...images, 'parts-image': 'kind.local/parts:1' }).images.parts).toBe(
    'kind.local/parts:1',
  )
  const { 'worker-image': _worker, ...without } = images
  expect(() => readTarget(without)).toThrow('--worker-image: it is missing')
})
