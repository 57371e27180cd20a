/**
 * From the catalog to the objects that Knative runs: one Service per function, one Trigger per subscription, and
 * the Broker between them.
 *
 * Pure: the same catalog gives the same objects. The local stand-in takes these very objects, so what runs on
 * one machine is what is deployed on a cluster.
 */
import { stringify } from 'yaml'
import type { FunctionFacts, Scale, SubscriptionFacts } from '../shared/contract/facts.ts'
import { secretsFor } from '../shared/contract/needs.ts'
import type {
  Broker,
  ConfigMap,
  Container,
  Delivery,
  Destination,
  EnvironmentVariable,
  KnativeService,
  PingSource,
  Trigger,
} from './objects.ts'

/** What the manifests need of a function. */
export type Deployable = Pick<FunctionFacts, 'name' | 'needs' | 'scale'> & {
  subscriptions: readonly Pick<SubscriptionFacts, 'name' | 'attributes'>[]
  /** Present where it wants to be woken every minute. */
  tick?: unknown
}

/** What is decided when deploying, and by nobody else. */
interface Deployment {
  namespace: string
  /** One image holds all functions; `FUNCTION` picks what a pod serves. */
  image: string
  /** Takes the events that no attempt could deliver; without one the cluster drops them. */
  deadLetterSink?: Destination
}

/** What the committed manifests say. */
const DEFAULT_DEPLOYMENT: Deployment = { namespace: 'kgents', image: 'ghcr.io/kgents/functions:0.1.0' }

/** Settings that all functions share, and no secret among them. */
const CONFIG_NAME = 'kgents-config'
const SECRETS_NAME = 'kgents-secrets'

const BROKER_NAME = 'default'
const CHANNEL_NAME = 'kgents-broker-channel'

/** Path on which every function takes what a Trigger delivers. */
const EVENTS_PATH = '/events'
/** Path on which a function takes a PingSource's minute. */
const TICKS_PATH = '/ticks'

/**
 * Attempts spread over four minutes, so that a database that restarts costs no event. The three belong together:
 * the NATS broker crashes on a retry without policy and delay.
 */
const DELIVERY = { retry: 8, backoffPolicy: 'exponential', backoffDelay: 'PT1S' } as const

const PART_OF = { 'app.kubernetes.io/part-of': 'kgents' }

/** The Services of `catalog`, one per function. */
export function servicesOf(
  catalog: readonly Deployable[],
  deployment = DEFAULT_DEPLOYMENT,
): KnativeService[] {
  return catalog.map((definition) => toService(definition, deployment))
}

/** Cluster-local, scaled to zero unless it says otherwise, and without rights. */
function toService(definition: Deployable, deployment: Deployment): KnativeService {
  const { name, scale } = definition
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: deployment.namespace,
      labels: { ...PART_OF, 'networking.knative.dev/visibility': 'cluster-local' },
    },
    spec: {
      template: {
        metadata: { labels: { ...PART_OF, 'kgents.io/function': name }, annotations: toAnnotations(scale) },
        spec: {
          containerConcurrency: scale.containerConcurrency,
          timeoutSeconds: scale.timeoutSeconds,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          containers: [toContainer(definition, deployment)],
          volumes: [{ name: 'tmp', emptyDir: {} }],
        },
      },
    },
  }
}

function toAnnotations(scale: Scale): Record<string, string> {
  const values = {
    target: scale.target,
    'target-burst-capacity': scale.targetBurstCapacity,
    'min-scale': scale.minScale,
    'max-scale': scale.maxScale,
  }
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [`autoscaling.knative.dev/${name}`, String(value)]),
  )
}

/** No probe is set: Knative's own TCP probe, polled every 50 ms while a pod starts, is the fastest there is. */
function toContainer({ name, needs }: Deployable, { image }: Deployment): Container {
  return {
    name: 'function',
    image,
    ports: [{ containerPort: 8080 }],
    env: [{ name: 'FUNCTION', value: name }, ...secretsFor(needs).map(toSecretVariable)],
    envFrom: [{ configMapRef: { name: CONFIG_NAME } }],
    // A whole core at most: starting Node is bound by CPU, and that is what a cold start waits for.
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '512Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
  }
}

function toSecretVariable(name: string): EnvironmentVariable {
  return { name, valueFrom: { secretKeyRef: { name: SECRETS_NAME, key: name } } }
}

/** The Triggers that bring the functions of `catalog` their events. */
export function triggersOf(catalog: readonly Deployable[], deployment = DEFAULT_DEPLOYMENT): Trigger[] {
  return catalog.flatMap((definition) => toTriggers(definition, deployment))
}

function toTriggers(definition: Deployable, deployment: Deployment): Trigger[] {
  return definition.subscriptions.map((subscription) => ({
    apiVersion: 'eventing.knative.dev/v1',
    kind: 'Trigger',
    metadata: {
      name: `${definition.name}-${subscription.name}`,
      namespace: deployment.namespace,
      labels: PART_OF,
    },
    spec: {
      broker: BROKER_NAME,
      filters: [{ exact: { ...subscription.attributes } }],
      subscriber: {
        ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: definition.name },
        uri: EVENTS_PATH,
      },
      delivery: toDelivery(deployment),
    },
  }))
}

/** The PingSources that wake the functions of `catalog` that have something to do by the clock. */
export function pingSourcesOf(catalog: readonly Deployable[], deployment = DEFAULT_DEPLOYMENT): PingSource[] {
  return catalog
    .filter(({ tick }) => tick !== undefined)
    .map(({ name }) => ({
      apiVersion: 'sources.knative.dev/v1',
      kind: 'PingSource',
      metadata: { name: `${name}-tick`, namespace: deployment.namespace, labels: PART_OF },
      spec: {
        schedule: '* * * * *',
        sink: { ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name }, uri: TICKS_PATH },
      },
    }))
}

/** Set on Broker and Triggers alike: a Trigger's delivery replaces the Broker's, it does not add to it. */
function toDelivery({ deadLetterSink }: Deployment): Delivery {
  return { ...DELIVERY, ...(deadLetterSink === undefined ? {} : { deadLetterSink }) }
}

/** The Broker that all Triggers belong to. */
export function brokerOf(deployment = DEFAULT_DEPLOYMENT): Broker {
  const { namespace } = deployment
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
      delivery: toDelivery(deployment),
    },
  }
}

/** What the Broker keeps accepted events in. */
export function brokerChannelOf({ namespace } = DEFAULT_DEPLOYMENT): ConfigMap {
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
