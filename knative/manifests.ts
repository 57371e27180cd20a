/**
 * From the catalog to the objects that Knative runs: one Service per function, one Trigger per trigger, and
 * the Broker between them.
 *
 * Pure: the same catalog gives the same objects. The local stand-in takes these very objects, so what runs on
 * one machine is what is deployed on a cluster.
 */
import { stringify } from 'yaml'
import type { FunctionFacts, Scale, TriggerFacts } from '../shared/contract/facts.ts'
import { OPTIONAL_SECRETS, secretsFor } from '../shared/contract/needs.ts'
import type { Broker, ConfigMap, Container, Delivery, KnativeService, Namespace, Trigger } from './objects.ts'
import {
  DEFAULT_TARGET,
  FUNCTION_LABEL,
  PART_OF,
  SECURITY_CONTEXT,
  secretVariable,
  SHARED_SETTINGS,
  type Target,
} from './target.ts'
import { TICK_TYPE } from './tick-event.ts'

/** What the manifests need of a function. */
export type Deployable = Pick<FunctionFacts, 'name' | 'needs' | 'scale'> & {
  triggers: readonly Pick<TriggerFacts, 'name' | 'attributes'>[]
  /** Present where it wants to be woken when something is due. */
  tick?: unknown
  /** Present where it takes the events that no attempt could deliver to others. */
  deadLetters?: unknown
}

const BROKER_NAME = 'default'
const CHANNEL_NAME = 'kgents-broker-channel'

const SERVICE = { apiVersion: 'serving.knative.dev/v1', kind: 'Service' } as const

/** Path on which every function takes what a Trigger delivers. */
const EVENTS_PATH = '/events'
/** Path on which a function takes the event that something is due. */
const TICKS_PATH = '/ticks'
/** Path on which a function takes what another one did not take. */
const DEAD_LETTERS_PATH = '/dead-letters'

/**
 * Nine attempts: the first at once, the others on a cluster 2, 6, 14, 30, 62, 126, 254 and 510 s later, so that a database
 * that restarts or fails over costs no event. What is not taken by then is a dead letter. The three belong together: the
 * NATS broker crashes on a retry without policy and delay.
 */
const DELIVERY = { retry: 8, backoffPolicy: 'exponential', backoffDelay: 'PT1S' } as const

/** Where all of it is: pods that ask for more than the strictest of Kubernetes' profiles allows are refused there. */
export function namespaceOf({ namespace } = DEFAULT_TARGET): Namespace {
  const labels = { ...PART_OF, 'pod-security.kubernetes.io/enforce': 'restricted' }
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }
}

/** A tick that fails comes again with the next look at the clock, so it is worth one retry and no dead letter. */
const TICK_DELIVERY: Delivery = { ...DELIVERY, retry: 1 }

/** The Services of `catalog`, one per function. */
export function servicesOf(catalog: readonly Deployable[], target = DEFAULT_TARGET): KnativeService[] {
  return catalog.map((definition) => toService(definition, target))
}

/**
 * Knative counts from the arrival, before the function's own deadline begins, and answers plain text: with this margin the
 * function's answer is first. It is also the pod's grace, in which queue-proxy first waits for 30 quiet seconds.
 */
const TIMEOUT_MARGIN_SECONDS = 15

/** Cluster-local, scaled to zero unless it says otherwise, and without rights. */
function toService(definition: Deployable, target: Target): KnativeService {
  const { name, scale } = definition
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: target.namespace,
      labels: { ...PART_OF, 'networking.knative.dev/visibility': 'cluster-local' },
    },
    spec: {
      template: {
        metadata: {
          labels: { ...PART_OF, [FUNCTION_LABEL]: name },
          annotations: toAnnotations(scale, target),
        },
        spec: {
          containerConcurrency: scale.containerConcurrency,
          timeoutSeconds: scale.timeoutSeconds + TIMEOUT_MARGIN_SECONDS,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          containers: [toContainer(definition, target)],
          volumes: [{ name: 'tmp', emptyDir: {} }],
        },
      },
    },
  }
}

function toAnnotations(scale: Scale, { startsAtZero }: Target): Record<string, string> {
  const values = {
    target: scale.target,
    'target-burst-capacity': scale.targetBurstCapacity,
    'min-scale': scale.minScale,
    'max-scale': scale.maxScale,
    'initial-scale': startsAtZero && scale.minScale === undefined ? 0 : undefined,
  }
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [`autoscaling.knative.dev/${name}`, String(value)]),
  )
}

/** No probe is set: Knative's own TCP probe, polled every 50 ms while a pod starts, is the fastest there is. */
function toContainer({ name, needs }: Deployable, { images }: Target): Container {
  return {
    // The name that kn gives to the one container of a Service: another would be another revision to it.
    name: 'user-container',
    image: images.functions,
    ports: [{ containerPort: 8080 }],
    env: [
      { name: 'FUNCTION', value: name },
      ...secretsFor(needs).map((secret) =>
        secretVariable(secret, { isOptional: OPTIONAL_SECRETS.includes(secret) }),
      ),
    ],
    envFrom: SHARED_SETTINGS,
    // A whole core at most: starting Node is bound by CPU, and that is what a cold start waits for.
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '512Mi' } },
    securityContext: SECURITY_CONTEXT,
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
  }
}

/** The Triggers that bring the functions of `catalog` their events. */
export function triggersOf(catalog: readonly Deployable[], target = DEFAULT_TARGET): Trigger[] {
  const delivery = deliveryOf(catalog, target)
  return catalog.flatMap((definition) => toTriggers(definition, delivery, target))
}

function toTriggers({ name, triggers, tick }: Deployable, forEvents: Delivery, target: Target): Trigger[] {
  const toTrigger = (trigger: string, exact: Record<string, string>, uri: string, delivery: Delivery) => ({
    apiVersion: 'eventing.knative.dev/v1' as const,
    kind: 'Trigger' as const,
    metadata: { name: `${name}-${trigger}`, namespace: target.namespace, labels: PART_OF },
    spec: {
      broker: BROKER_NAME,
      filters: [{ exact }],
      subscriber: { ref: { ...SERVICE, name }, uri },
      delivery,
    },
  })
  return [
    ...triggers.map((trigger) => toTrigger(trigger.name, { ...trigger.attributes }, EVENTS_PATH, forEvents)),
    ...(tick === undefined
      ? []
      : [toTrigger('tick', { type: TICK_TYPE, function: name }, TICKS_PATH, TICK_DELIVERY)]),
  ]
}

/** Set on Broker and Triggers alike: a Trigger's delivery replaces the Broker's, it does not add to it. */
function deliveryOf(catalog: readonly Deployable[], { namespace }: Target): Delivery {
  const sink = catalog.find(({ deadLetters }) => deadLetters !== undefined)
  if (sink === undefined) return DELIVERY
  const ref = { ...SERVICE, name: sink.name, namespace }
  return { ...DELIVERY, deadLetterSink: { ref, uri: DEAD_LETTERS_PATH } }
}

/** The Broker that all Triggers of `catalog` belong to. */
export function brokerOf(catalog: readonly Deployable[], target = DEFAULT_TARGET): Broker {
  const { namespace } = target
  return {
    apiVersion: 'eventing.knative.dev/v1',
    kind: 'Broker',
    metadata: {
      name: BROKER_NAME,
      namespace,
      labels: PART_OF,
      annotations: { 'eventing.knative.dev/broker.class': 'MTChannelBasedBroker' },
    },
    spec: {
      config: { apiVersion: 'v1', kind: 'ConfigMap', name: CHANNEL_NAME, namespace },
      delivery: deliveryOf(catalog, target),
    },
  }
}

/** What the Broker keeps accepted events in. */
export function brokerChannelOf({ namespace } = DEFAULT_TARGET): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: CHANNEL_NAME, namespace, labels: PART_OF },
    data: { 'channel-template-spec': stringify(CHANNEL) },
  }
}

/** Knative's default channel lives in memory: events that it accepted would die with its pod. */
const CHANNEL = {
  apiVersion: 'messaging.knative.dev/v1alpha1',
  kind: 'NatsJetStreamChannel',
  spec: { stream: { config: { retention: 'Interest', storage: 'File', replicas: 3, maxAge: '24h' } } },
}
